#!/bin/sh
# What Tomcat's script of this name does that can be seen from outside: the same order, the same command
# line, the same way of writing to catalina.out. Part of the simulator; not Tomcat's own file.

CATALINA_HOME=${CATALINA_HOME:-$(cd "$(dirname "$0")/.." >/dev/null && pwd)}
CATALINA_BASE=${CATALINA_BASE:-$CATALINA_HOME}
CATALINA_OUT=${CATALINA_OUT:-$CATALINA_BASE/logs/catalina.out}
CATALINA_TMPDIR=$CATALINA_BASE/temp
CLASSPATH=$CATALINA_HOME/bin/bootstrap.jar:$CATALINA_HOME/bin/tomcat-juli.jar
_RUNJAVA=${JAVA_HOME:?JAVA_HOME is not set}/bin/java
LOGGING="-Djava.util.logging.config.file=$CATALINA_BASE/conf/logging.properties"

SIM_ACTION=$1
. "$CATALINA_HOME/bin/setenv.sh"

case "$1" in
run)
    shift
    eval exec "\"$_RUNJAVA\"" "\"$LOGGING\"" "$JAVA_OPTS" "$CATALINA_OPTS" \
        -classpath "\"$CLASSPATH\"" \
        -Dcatalina.base="\"$CATALINA_BASE\"" \
        -Dcatalina.home="\"$CATALINA_HOME\"" \
        -Djava.io.tmpdir="\"$CATALINA_TMPDIR\"" \
        org.apache.catalina.startup.Bootstrap "$@" start
    ;;
start)
    shift
    touch "$CATALINA_OUT"
    eval "\"$_RUNJAVA\"" "\"$LOGGING\"" "$JAVA_OPTS" "$CATALINA_OPTS" \
        -classpath "\"$CLASSPATH\"" \
        -Dcatalina.base="\"$CATALINA_BASE\"" \
        -Dcatalina.home="\"$CATALINA_HOME\"" \
        -Djava.io.tmpdir="\"$CATALINA_TMPDIR\"" \
        org.apache.catalina.startup.Bootstrap "$@" start \
        >> "$CATALINA_OUT" 2>&1 "&"
    echo "Tomcat started."
    ;;
stop | configtest)
    eval "\"$_RUNJAVA\"" "\"$LOGGING\"" "$JAVA_OPTS" \
        -classpath "\"$CLASSPATH\"" \
        -Dcatalina.base="\"$CATALINA_BASE\"" \
        -Dcatalina.home="\"$CATALINA_HOME\"" \
        -Djava.io.tmpdir="\"$CATALINA_TMPDIR\"" \
        org.apache.catalina.startup.Bootstrap "$1"
    ;;
version)
    "$_RUNJAVA" -classpath "$CATALINA_HOME/lib/catalina.jar" -Dcatalina.home="$CATALINA_HOME" \
        org.apache.catalina.util.ServerInfo
    ;;
*)
    echo "Usage: catalina.sh ( run | start | stop | configtest | version )"
    exit 1
    ;;
esac
