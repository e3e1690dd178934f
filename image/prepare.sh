#!/bin/sh
# Gives a base image what J-Jobs needs of an operating system: packages, the time zone and the Korean locale. Run once, as root,
# while the image is built.
#
# Only what is missing is installed, told by the program or file that it brings and not by package names: the same package is
# called differently everywhere. Where nothing is missing, no package manager and no network is needed.
#
# SLIM=yes      leaves out what only the vendor's scripts use
# KUBECTL, AWS_CLI=package    installs them from the distribution
set -eu

ZONE=Asia/Seoul
# As manifests spell it in LANG. glibc takes UTF-8 and utf8 for the same.
LOCALE=ko_KR.utf8
LOCALE_SOURCE=/usr/share/i18n/locales/ko_KR
SLIM="${SLIM:-no}"
KUBECTL="${KUBECTL:-none}"
AWS_CLI="${AWS_CLI:-none}"

say() {
    printf 'prepare.sh: %s\n' "$*" >&2
}

# Ends the build: what is wrong, then what to do about it.
die() {
    say "error: $1"
    shift
    for line in "$@"; do say "hint: $line"; done
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# The file $1 below ROOT, which is empty except in tests.
ROOT="${ROOT:-}"
exists() {
    [ -e "$ROOT$1" ]
}

has_ca_certificates() {
    exists /etc/ssl/certs/ca-certificates.crt || exists /etc/pki/tls/certs/ca-bundle.crt ||
        exists /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
}

has_locale() {
    LC_ALL="$LOCALE" locale charmap 2>/dev/null | grep -qix 'utf-\{0,1\}8'
}

case "$SLIM" in
yes | y | true | 1) SLIM=yes ;;
no | n | false | 0 | "") SLIM=no ;;
*) die "SLIM=$SLIM is neither yes nor no" ;;
esac
case "$AWS_CLI" in
none | package) ;;
*) die "AWS_CLI=$AWS_CLI is neither none nor package" "another AWS CLI can be added in a Dockerfile of yours, FROM this image" ;;
esac

manager=
for candidate in dnf microdnf apt-get; do
    if has "$candidate"; then
        manager="$candidate"
        break
    fi
done

# --- What is missing ------------------------------------------------------------------------------------------------------

# Packages by their names there, and what they bring, for people.
packages=''
missing=''
# need NAME PACKAGE_OF_DNF PACKAGE_OF_APT
need() {
    missing="$missing $1"
    case "$manager" in
    dnf | microdnf) packages="$packages $2" ;;
    apt-get) packages="$packages $3" ;;
    esac
}

# need_program NAME PACKAGE_OF_DNF PACKAGE_OF_APT
need_program() {
    has "$1" || need "$@"
}

look() {
    packages=''
    missing=''
    exists "/usr/share/zoneinfo/$ZONE" || need "the time zone $ZONE" tzdata tzdata
    has_ca_certificates || need "CA certificates" ca-certificates ca-certificates
    if [ "$SLIM" = no ]; then
        need_program bash bash bash
        need_program ps procps-ng procps
        need_program hostname hostname hostname
        need_program tar tar tar
        need_program gzip gzip gzip
        need_program find findutils findutils
        need_program gawk gawk gawk
        need_program tput ncurses ncurses-bin
        need_program fc-list fontconfig fontconfig
    fi
    if [ "$KUBECTL" = package ]; then need_program kubectl kubectl kubernetes-client; fi
    if [ "$AWS_CLI" = package ]; then need_program aws awscli-2 awscli; fi
    # On Debian it is compiled here, of the package's sources.
    if ! has_locale && ! exists "$LOCALE_SOURCE"; then need "the locale $LOCALE" glibc-langpack-ko locales; fi
}

look
drop_locales=no
case "$packages" in *" locales"*) drop_locales=yes ;; esac

# --- Installing it --------------------------------------------------------------------------------------------------------

install_packages() {
    case "$manager" in
    dnf)
        dnf --assumeyes --setopt=install_weak_deps=0 --setopt=tsflags=nodocs install "$@"
        ;;
    microdnf)
        microdnf --assumeyes --setopt=install_weak_deps=0 --nodocs install "$@"
        ;;
    apt-get)
        apt-get update --quiet=2 &&
            DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --assume-yes --no-install-recommends "$@"
        ;;
    esac
}

clean() {
    case "$manager" in
    dnf | microdnf)
        "$manager" clean all >/dev/null
        rm -rf "$ROOT"/var/cache/dnf "$ROOT"/var/cache/yum "$ROOT"/var/lib/dnf/repos
        ;;
    apt-get)
        apt-get clean
        rm -rf "$ROOT"/var/lib/apt/lists/*
        ;;
    esac
}

if [ -n "$packages" ]; then
    say "installing with $manager:$packages"
    # Package names hold no spaces.
    # shellcheck disable=SC2086
    install_packages $packages >&2 </dev/null || {
        # Amazon Linux, for one, has none.
        case "$missing" in *" kubectl"*) say "a release of kubectl, which every base can have, is asked for by KUBECTL=v1.34.1" ;; esac
        die "$manager could not install:$packages (for:$missing)" \
            "its own words are above; without a network, choose a base image that has these already"
    }
    asked="$packages"
    look
    [ -z "$missing" ] || die "$manager installed:$asked; these are missing all the same:$missing"
elif [ -n "$missing" ]; then
    die "the base image lacks:$missing" "it has none of dnf, microdnf and apt-get to install them with" \
        "choose another base image, by --build-arg BASE_IMAGE=…; J-Jobs' Java needs one with glibc"
fi

if ! has_locale && exists "$LOCALE_SOURCE"; then
    # Into a folder of its own, not the archive, which Debian's package takes away with it.
    has localedef || die "the locale $LOCALE is missing and there is no localedef to make it with"
    mkdir -p "$ROOT/usr/lib/locale"
    localedef --no-archive --inputfile=ko_KR --charmap=UTF-8 "$ROOT/usr/lib/locale/ko_KR.utf8" ||
        die "localedef could not make the locale $LOCALE"
fi
if [ "$drop_locales" = yes ]; then
    # 16 MB of sources. Nothing of what was compiled belongs to the packages.
    dpkg --purge --force-depends locales >/dev/null || die "dpkg could not remove the package locales"
    if dpkg --status libc-l10n >/dev/null 2>&1; then
        dpkg --purge libc-l10n >/dev/null || die "dpkg could not remove the package libc-l10n"
    fi
fi
if [ -n "${asked:-}" ]; then clean; fi
has_locale || die "the locale $LOCALE does not work, though its package is there"

# --- Time zone ------------------------------------------------------------------------------------------------------------

ln -snf "/usr/share/zoneinfo/$ZONE" "$ROOT/etc/localtime"
# Debian's programs, and Java there, read this one first.
if exists /etc/timezone || exists /etc/debian_version; then printf '%s\n' "$ZONE" >"$ROOT/etc/timezone"; fi
