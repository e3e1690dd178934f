#!/bin/sh
# usage: encrypter.sh {e|d} <text>
exec @BASE@/@JDK@/bin/java -cp @BASE@/lib/jjob-common.jar jjob.common.util.Encrypter "$@"
