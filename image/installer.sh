#!/bin/sh
# Takes the vendor's installer out of the folder $1, the build context's installer/, by its name $2; or ends the build
# with what is to be done. Run in a build stage of its own: a chmod in the image would store hundreds of megabytes twice.
set -eu

case "$2" in
*/* | "")
    echo "error: INSTALL_FILE='$2' is not the name of a file in installer/" >&2
    exit 1
    ;;
esac
if ! [ -s "$1/$2" ]; then
    echo "error: the vendor's installer is missing, or empty: installer/$2" >&2
    echo "hint: copy it there (the folder is beside the Dockerfile), or name the file that is there: --build-arg INSTALL_FILE=NAME" >&2
    echo "hint: without the vendor's file, scripts/image --simulated builds an image with the simulator's" >&2
    exit 1
fi
chmod 0755 "$1/$2"
