#!/bin/bash
  export   JJOB_SERVER_ID="1-1"   # number
export JJOB_SERVER_IP='old.example'
cd "$(dirname "$0")/server/bin" && nohup "./startup.sh" >/dev/null 2>&1 &
exec tail -n 200 -F "$PWD/../logs/catalina.out"
