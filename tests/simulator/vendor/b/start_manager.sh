#!/bin/sh
# J-Jobs manager. Runs in the foreground.
JAVA_HOME="@BASE@/@JDK@"; export JAVA_HOME
export SSO_KEYCLOAK_ISSUER_URI=

exec "@BASE@/manager/bin/catalina.sh" run >> "@BASE@/manager/logs/catalina.out" 2>&1
