#!/bin/sh
# usage: encrypter.sh {e|d} <text>. Stands in for the vendor's: this is an encoding, not an encryption.
case "$1" in
e) printf '%s' "$2" | base64 -w 0 ;;
d) printf '%s' "$2" | base64 -d ;;
esac
echo
