#!/bin/sh
# Starts Tomcat in the background.
exec "$(dirname "$0")"/catalina.sh start "$@"
