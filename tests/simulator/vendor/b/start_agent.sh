#!/bin/sh
# J-Jobs agent. Runs in the foreground.
JAVA_HOME="@BASE@/@JDK@"; export JAVA_HOME
AGENT_NAME="${HOSTNAME:-$(hostname)}"; export AGENT_NAME
cd "@BASE@/agent" || exit 1
SIM_ACTION=start
. ./setenv.sh
exec "$JAVA_HOME/bin/java" -Dcname=agent -Djjobs.home="@BASE@" -Dagent.home="@BASE@/agent" $JAVA_OPTS -cp "app:lib/*" jjob.agent.startup.AgentMain
