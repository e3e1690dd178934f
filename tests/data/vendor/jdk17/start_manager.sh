#!/bin/bash
export SSO_KEYCLOAK_ISSUER_URI=http://old
cd "$(dirname "$0")/manager/bin" || exit 1
exec ./catalina.sh run
