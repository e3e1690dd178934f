#!/bin/sh
cd /engn001/jjobs/agent
./agent.sh &
