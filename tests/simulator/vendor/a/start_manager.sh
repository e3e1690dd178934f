#!/bin/sh
export JAVA_HOME=@BASE@/@JDK@
cd @BASE@/manager/bin
nohup ./startup.sh 2>&1 > /dev/null &
tail -f @BASE@/manager/logs/catalina.out
