#!/bin/sh
ps -ef | grep cname=agent
