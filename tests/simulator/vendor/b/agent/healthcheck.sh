#!/bin/sh
# The vendor's own check of the agent.
ps -ef | grep -v grep | grep -q "cname=agent"
