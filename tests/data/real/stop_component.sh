#!/bin/sh
export JAVA_HOME=@JDK@
cd @BASE@/@COMPONENT@/bin
./shutdown.sh
