#!/bin/sh
# J-Jobs server. Runs in the foreground.
export JJOB_SERVER_IP=127.0.0.1
JAVA_HOME="@BASE@/@JDK@"; export JAVA_HOME
  export JJOB_SERVER_ID="1-1"

cd "@BASE@/server" || exit 1
bin/catalina.sh run >> "@BASE@/server/logs/catalina.out" 2>&1
code=$?
echo "server has ended: $code"
exit $code
