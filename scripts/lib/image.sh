# The image that the tests look at: the real binary, with the simulator's installer in the vendor's place.
# shellcheck shell=bash

# Builds it where a container engine answers, and exports its reference as JJOBS_TEST_IMAGE; one that is named there
# already is taken as it is.
ensure_image() {
    if [ -n "${JJOBS_TEST_IMAGE:-}" ]; then return; fi
    if ! command -v docker >/dev/null || ! docker info >/dev/null 2>&1; then
        say "no container engine answers (docker info), so no image is built"
        return 1
    fi
    local reference
    reference="$("$ROOT/scripts/image" --simulated --tag jjobs-init-simulated:test | tail -n 1)" || return 1
    export JJOBS_TEST_IMAGE="$reference"
}
