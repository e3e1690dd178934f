#!/bin/sh
# Asks Tomcat to stop, through its shutdown port.
exec "$(dirname "$0")"/catalina.sh stop "$@"
