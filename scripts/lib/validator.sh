# The validator of Kubernetes manifests: PyPI's kubernetes-validate, which holds the schemas of many releases, in a Python environment
# of its own below the build folder. The tests find it by JJOBS_TEST_KUBERNETES_VALIDATE.
# shellcheck shell=bash

# Pinned: with it come the oldest and the newest release that manifests are validated for.
KUBERNETES_VALIDATE_VERSION=1.37.0

ensure_validator() {
    local environment="$CARGO_TARGET_DIR/kubernetes-validate-$KUBERNETES_VALIDATE_VERSION"
    export JJOBS_TEST_KUBERNETES_VALIDATE="$environment/bin/kubernetes-validate"
    if "$JJOBS_TEST_KUBERNETES_VALIDATE" --version >/dev/null 2>&1; then return; fi

    # Debian leaves the part out with which a new environment gets its pip.
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then (apt_install python3-venv) || return 1; fi
    say "installing kubernetes-validate $KUBERNETES_VALIDATE_VERSION"
    # What an earlier try has left behind.
    rm -rf "$environment"
    local output
    if ! output="$(python3 -m venv "$environment" 2>&1 &&
        "$environment/bin/pip" install --quiet --disable-pip-version-check \
            "kubernetes-validate==$KUBERNETES_VALIDATE_VERSION" 2>&1)"; then
        printf '%s\n' "$output" >&2
        rm -rf "$environment"
        say "error: cannot install kubernetes-validate from PyPI"
        return 1
    fi
}
