#!/bin/sh
export JAVA_HOME=@JDK@
export JJOB_SERVER_ID=1-1
cd @BASE@/@COMPONENT@/bin
nohup ./startup.sh 2>&1 > /dev/null &
tail -f @BASE@/@COMPONENT@/logs/catalina.out
