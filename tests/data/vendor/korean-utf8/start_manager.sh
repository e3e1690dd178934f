#!/bin/sh
# 관리자 시작
cd /engn001/jjobs/manager/bin
nohup ./startup.sh 2>&1 > /dev/null &
tail -f /engn001/jjobs/manager/logs/catalina.out
