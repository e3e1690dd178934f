# An old kubectl beside a newer one, to see that both render the manifests alike: Debian 12's, which is 1.20 and holds kustomize 2.0.3.
# It is unpacked below the build folder, not installed. The tests find it by JJOBS_TEST_OLD_KUBECTL.
#
# Where the kubectl on the PATH is that one, or where there is none to be had (another system, Debian 13), nothing is
# compared, which is no error: the manifests are then rendered by the one that there is.
# shellcheck shell=bash

ensure_old_kubectl() {
    local folder="$CARGO_TARGET_DIR/old-kubectl"
    local old="$folder/usr/bin/kubectl" work
    if ! [ -x "$old" ]; then
        if kubectl version --client 2>/dev/null | grep -q '"v1\.20\.'; then return; fi
        if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then return; fi
        # A folder that apt's own user may write to, or it warns.
        work="$(mktemp -d)" || return 1
        chmod 755 "$work"
        if (cd "$work" && apt-get download kubernetes-client >/dev/null 2>&1 && dpkg -x kubernetes-client_*.deb tree) &&
            [ -x "$work/tree/usr/bin/kubectl" ]; then
            rm -rf "$folder"
            mv "$work/tree" "$folder"
        fi
        rm -rf "$work"
    fi
    if [ -x "$old" ]; then export JJOBS_TEST_OLD_KUBECTL="$old"; fi
}
