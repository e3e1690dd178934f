#!/bin/sh
JAVA_HOME="@BASE@/@JDK@"; export JAVA_HOME
"@BASE@/manager/bin/catalina.sh" stop
