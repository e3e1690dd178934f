#!/bin/sh
export JAVA_HOME=@BASE@/@JDK@
export AGENT_NAME=${HOSTNAME:-$(hostname)}
cd @BASE@/agent
SIM_ACTION=start
. ./setenv.sh
nohup "$JAVA_HOME/bin/java" $JAVA_OPTS -Djjobs.home=@BASE@ -Dagent.home=@BASE@/agent -cp "app:lib/*" jjob.agent.startup.AgentMain cname=agent > /dev/null 2>&1 &
