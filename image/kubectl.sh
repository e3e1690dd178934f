#!/bin/sh
# Puts a release of kubectl into the folder $1, checked against the sum that is published beside it. Run in a build stage of
# its own, whose curl the image does not get.
#
# KUBECTL       none and package: nothing is done here; else a version as v1.34.1
# KUBECTL_URL   where releases are: https://dl.k8s.io/release, or a mirror of it
set -eu

folder="$1"
KUBECTL="${KUBECTL:-none}"
KUBECTL_URL="${KUBECTL_URL:-https://dl.k8s.io/release}"
mkdir -p "$folder"

# Ends the build: what is wrong, then what to do about it.
die() {
    printf 'kubectl.sh: error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf 'kubectl.sh: hint: %s\n' "$line" >&2; done
    exit 1
}

case "$KUBECTL" in
none | package) exit 0 ;;
v[0-9]*.[0-9]*.[0-9]*) ;;
*) die "KUBECTL=$KUBECTL is none of: none, package, a version such as v1.34.1" ;;
esac
case "$(uname -m)" in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) die "there is no kubectl for $(uname -m) here" ;;
esac

if ! command -v curl >/dev/null 2>&1; then
    {
        if command -v dnf >/dev/null 2>&1; then
            dnf --assumeyes install curl-minimal
        elif command -v microdnf >/dev/null 2>&1; then
            microdnf --assumeyes install curl-minimal
        elif command -v apt-get >/dev/null 2>&1; then
            apt-get update --quiet=2 &&
                DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --assume-yes --no-install-recommends curl ca-certificates
        else
            false
        fi
    } >&2 </dev/null || die "cannot install curl, to download kubectl with"
fi

url="${KUBECTL_URL%/}/$KUBECTL/bin/linux/$arch/kubectl"
fetch() {
    curl --fail --silent --show-error --location --retry 5 --connect-timeout 30 --output "$2" "$1" ||
        die "cannot download $1" "a mirror is chosen by --build-arg KUBECTL_URL=…, or by a variable of that name for scripts/image" \
            "a proxy by https_proxy, in the same ways"
}
fetch "$url" "$folder/kubectl"
fetch "$url.sha256" "$folder/kubectl.sha256"
# The published file holds the sum alone.
published="$(cut -c 1-64 "$folder/kubectl.sha256" | head -n 1)"
rm "$folder/kubectl.sha256"
found="$(sha256sum "$folder/kubectl" | cut -c 1-64)"
if [ "$published" != "$found" ]; then
    rm "$folder/kubectl"
    die "$url has the sum $found, and $published is published for it"
fi
chmod 0755 "$folder/kubectl"
