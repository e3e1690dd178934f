# The real kubectl, with which the tests try what KUBE_CONTEXTS registered and render the manifests.
#
# Any kubectl on the PATH does, whoever's it is; else Debian's, whose package has another name in each release.
# shellcheck shell=bash

# Whether apt could install package $1.
has_package() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

ensure_kubectl() {
    local package
    if kubectl version --client >/dev/null 2>&1; then return; fi
    if ! command -v apt-get >/dev/null; then
        say "error: there is no kubectl on the PATH" "(https://kubernetes.io/docs/tasks/tools/)"
        return 1
    fi
    # Debian 12 calls it kubernetes-client; later releases have a kubectl beside or in place of it.
    if ! has_package kubernetes-client && ! has_package kubectl; then
        apt-get update -qq >/dev/null 2>&1 || true
    fi
    package=kubernetes-client
    if ! has_package "$package" && has_package kubectl; then package=kubectl; fi
    (apt_install "$package") || return 1
    if ! kubectl version --client >/dev/null 2>&1; then
        say "error: the kubectl of Debian's package $package does not run"
        return 1
    fi
}
