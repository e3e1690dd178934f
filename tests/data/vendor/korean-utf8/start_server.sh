#!/bin/sh
# 서버 시작
export JJOB_SERVER_ID=1-1
cd /engn001/jjobs/server/bin
nohup ./startup.sh 2>&1 > /dev/null &
tail -f /engn001/jjobs/server/logs/catalina.out
