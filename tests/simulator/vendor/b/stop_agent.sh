#!/bin/sh
JAVA_HOME="@BASE@/@JDK@"; export JAVA_HOME
cd "@BASE@/agent" || exit 1
SIM_ACTION=stop
. ./setenv.sh
exec "$JAVA_HOME/bin/java" -Dcname=agent -Djjobs.home="@BASE@" -Dagent.home="@BASE@/agent" -cp "app:lib/*" jjob.agent.startup.AgentMain stop
