# The container engine, and base images that are made here of Debian's packages; sourced by scripts/image and its like after
# lib.sh, and not run by itself.
# shellcheck shell=bash

# Debian 12's names for what image/prepare.sh looks for in a base image; with `locales` for the Korean locale alone.
PLAIN_PACKAGES=(tzdata ca-certificates)
VENDOR_PACKAGES=(bash procps hostname tar gzip findutils gawk ncurses-bin fontconfig)
SUITE=bookworm

# Debian's word for this machine, and Docker's.
host_architecture() {
    case "$(uname -m)" in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
    esac
}

# Sets ENGINE to the container engine that answers: docker or podman.
ensure_engine() {
    for ENGINE in docker podman; do
        if command -v "$ENGINE" >/dev/null && "$ENGINE" info >/dev/null 2>&1; then return; fi
    done
    die "no container engine answers: neither docker nor podman" "start one, or let this user use it (docker info says why not)"
}

# Chooses the engine's builder for the platform $1; ends the script where it has none.
ensure_builder() {
    local platform="$1" client
    if [ "$ENGINE" = podman ]; then return; fi
    if [ -z "${DOCKER_BUILDKIT:-}" ]; then
        client="$(docker version --format '{{.Client.Version}}' 2>/dev/null || echo 0)"
        # Clients before 23 hold BuildKit's frontend themselves; later ones need buildx for it.
        if docker buildx version >/dev/null 2>&1 || { [ "${client%%.*}" -ge 18 ] && [ "${client%%.*}" -lt 23 ]; }; then
            export DOCKER_BUILDKIT=1
        fi
    fi
    # The classic builder takes a platform only where the engine is an experimental one, and needs none for its own.
    if [ "${DOCKER_BUILDKIT:-0}" != 1 ] && [ "$platform" != "linux/$(host_architecture)" ]; then
        die "the classic builder cannot build for $platform" "install Docker's buildx, or use podman"
    fi
}

# Builds for the platform $1 with the builder that ensure_builder has chosen; the rest are arguments of `build`.
build_image() {
    local platform="$1"
    shift
    if [ "$ENGINE" = podman ]; then
        # Its own format has no HEALTHCHECK.
        podman build --format docker --platform "$platform" "$@"
    elif [ "${DOCKER_BUILDKIT:-0}" = 1 ]; then
        docker build --platform "$platform" "$@"
    else
        # It would keep the container of a step that failed.
        docker build --force-rm "$@"
    fi
}

# Makes an image of Debian's packages: reference $1, architecture $2, then the packages.
import_debian() {
    local reference="$1" architecture="$2" root log
    shift 2
    command -v mmdebstrap >/dev/null || apt_install mmdebstrap
    if [ "$architecture" != "$(host_architecture)" ] && ! [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] &&
        ! [ -e /proc/sys/fs/binfmt_misc/qemu-x86_64 ]; then
        die "a base image for $architecture cannot be made here: this machine does not run its programs" \
            "install qemu-user-static and binfmt-support, or name a base image: --base amazonlinux:2023"
    fi
    say "making the base image $reference of Debian's packages (about a minute)"
    root="$(mktemp -d "${TMPDIR:-/tmp}/jjobs-base.XXXXXX")"
    log="$root/log"
    # The locale is compiled into a folder that belongs to no package, so that its 16 MB of sources can go again.
    # mmdebstrap's hooks see the new root as $1.
    # shellcheck disable=SC2016
    if ! mmdebstrap --variant=minbase --architectures="$architecture" --include="$(IFS=,; echo "$*")",locales \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --customize-hook='chroot "$1" localedef --no-archive --inputfile=ko_KR --charmap=UTF-8 /usr/lib/locale/ko_KR.utf8' \
        --customize-hook='chroot "$1" dpkg --purge locales libc-l10n' \
        "$SUITE" "$root/base.tar" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -rf "$root"
        die "cannot make a base image of Debian's packages" "its words are above; DEBIAN_MIRROR names another mirror"
    fi
    local import=("$ENGINE" import)
    if [ "$ENGINE" = docker ] && [ "$architecture" != "$(host_architecture)" ]; then import+=(--platform "linux/$architecture"); fi
    "${import[@]}" --change 'CMD ["/bin/bash"]' "$root/base.tar" "$reference" >/dev/null || {
        rm -rf "$root"
        die "$ENGINE cannot import the base image"
    }
    rm -rf "$root"
}

# Prints the reference of a base image of Debian: `plain`, or `vendor` with the vendor's packages, or `today` with today's
# image's. Its name says what went in, so it is made once.
debian_base() {
    local contents="$1" architecture="$2" packages reference
    packages=("${PLAIN_PACKAGES[@]}")
    case "$contents" in
    plain) ;;
    vendor) packages+=("${VENDOR_PACKAGES[@]}") ;;
    today) packages+=("${TODAY_PACKAGES[@]}") ;;
    esac
    reference="jjobs-init-base:$(
        { declare -f import_debian && printf '%s\n' "$SUITE" "$architecture" "${packages[@]}"; } | sha256sum | cut -c 1-12
    )"
    "$ENGINE" image inspect "$reference" >/dev/null 2>&1 || import_debian "$reference" "$architecture" "${packages[@]}"
    printf '%s\n' "$reference"
}
