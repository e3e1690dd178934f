#!/bin/sh
export JAVA_HOME=@BASE@/@JDK@
cd @BASE@/agent
SIM_ACTION=stop
. ./setenv.sh
if [ ! -f .bin/agent.pid ]; then
    echo "agent is not running."
    exit 0
fi
kill "$(cat .bin/agent.pid)"
