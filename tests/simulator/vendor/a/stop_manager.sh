#!/bin/sh
export JAVA_HOME=@BASE@/@JDK@
cd @BASE@/manager/bin
./shutdown.sh
