#!/bin/sh
JAVA_HOME="@BASE@/@JDK@"; export JAVA_HOME
"@BASE@/server/bin/catalina.sh" stop
