#!/bin/sh
export JAVA_HOME=@BASE@/@JDK@
cd @BASE@/server/bin
./shutdown.sh
