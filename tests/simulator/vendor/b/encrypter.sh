#!/bin/sh
# usage: encrypter.sh {e|d} <text>
echo "J-Jobs encrypter" >&2
"@BASE@/@JDK@/bin/java" -cp "@BASE@/lib/jjob-common.jar" jjob.common.util.Encrypter "$@"
