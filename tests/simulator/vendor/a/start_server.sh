#!/bin/sh
export JAVA_HOME=@BASE@/@JDK@
export JJOB_SERVER_ID=1-1
cd @BASE@/server/bin
nohup ./startup.sh 2>&1 > /dev/null &
tail -f @BASE@/server/logs/catalina.out
