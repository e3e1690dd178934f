#!/bin/sh
JJOB_SERVER_ID=1-1
export JJOB_SERVER_ID
if [ -n "$TWO" ]; then
  export JJOB_SERVER_ID=1-2
fi
cd server/bin
if [ -z "$QUIET" ]; then
  nohup ./startup.sh > /dev/null 2>&1 &
fi
if [ -t 1 ]; then
  tail -f ../logs/catalina.out
fi
