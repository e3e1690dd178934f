#!/bin/bash
export JJOB_SERVER_ID=1-1
cd "$(dirname "$0")/server/bin" || exit 1
exec ./catalina.sh run
