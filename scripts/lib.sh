# Shared set-up of the scripts beside this file, which source it; it is not run by itself.
#
# Each function makes one thing true and says nothing when it already is. What is missing is installed
# where that needs nobody's permission (rustup, apt-get as root); otherwise the script ends with the
# command to type.
# shellcheck shell=bash

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
MUSL_TARGET=x86_64-unknown-linux-musl
export ROOT MUSL_TARGET

# Where cargo puts what it builds: absolute, and not moved by a target that somebody's environment names.
case "${CARGO_TARGET_DIR:-}" in
/*) ;;
*) CARGO_TARGET_DIR="$ROOT/${CARGO_TARGET_DIR:-target}" ;;
esac
export CARGO_TARGET_DIR
unset CARGO_BUILD_TARGET

# Prints progress and complaints; stdout belongs to the scripts' results.
say() {
    printf '%s\n' "$*" >&2
}

# Ends the script: the first line says what is wrong, the others what to type.
die() {
    say "error: $1"
    shift
    for line in "$@"; do say "hint: $line"; done
    exit 1
}

# The value of a key of rust-toolchain.toml or Cargo.toml that stands on a line of its own.
toml_value() {
    sed -n "s/^$2 *= *\"\\(.*\\)\"/\\1/p" "$ROOT/$1" | head -n 1
}

# Puts cargo on the PATH. Looks where rustup puts it, for the HOME given and for the account's own one:
# a build may run with another HOME.
find_cargo() {
    local account_home folder
    account_home="$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6 || true)"
    for folder in "${CARGO_HOME:-}" "${HOME:+$HOME/.cargo}" "${account_home:+$account_home/.cargo}"; do
        if [ -n "$folder" ] && [ -x "$folder/bin/cargo" ]; then
            export CARGO_HOME="$folder" PATH="$folder/bin:$PATH"
            # Beside it, rustup's toolchains, which rustup would look for below HOME.
            if [ -z "${RUSTUP_HOME:-}" ] && [ ! -d "${HOME:-}/.rustup" ] && [ -d "${folder%/.cargo}/.rustup" ]; then
                export RUSTUP_HOME="${folder%/.cargo}/.rustup"
            fi
            return
        fi
    done
    command -v cargo >/dev/null || die "cargo is neither in \$CARGO_HOME/bin, \$HOME/.cargo/bin nor on the PATH" \
        "install Rust: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"
}

# Whether version $1 is at least version $2.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# The version of the Rust compiler that would be used here, or nothing.
rust_version() {
    (cd "$ROOT" && rustc --version 2>/dev/null | cut -d' ' -f2) || true
}

# Makes `cargo` and `rustc` the ones of rust-toolchain.toml, else ones that are new enough.
ensure_rust() {
    local wanted least
    find_cargo
    wanted="$(toml_value rust-toolchain.toml channel)"
    least="$(toml_value Cargo.toml rust-version)"

    if [ -z "$(rust_version)" ] && command -v rustup >/dev/null; then
        say "installing Rust $wanted"
        if ! rustup --quiet toolchain install "$wanted" --profile minimal --no-self-update \
            --component clippy --component rustfmt --target "$MUSL_TARGET" >&2; then
            # Without a way to the toolchain server: one that is here already may do.
            say "cannot install Rust $wanted: trying the installed stable toolchain"
            export RUSTUP_TOOLCHAIN=stable
        fi
    fi

    local have
    have="$(rust_version)"
    if [ -z "$have" ] || ! at_least "${have%%-*}" "$least"; then
        die "Rust $least or newer is needed, and ${have:-no usable one} is here" \
            "rustup toolchain install $wanted --profile minimal --component clippy --component rustfmt --target $MUSL_TARGET"
    fi
}

# Adds a target (`$1`, else the static binary's) to the toolchain in use.
ensure_musl_target() {
    local target="${1:-$MUSL_TARGET}"
    if [ -d "$(cd "$ROOT" && rustc --print sysroot)/lib/rustlib/$target/lib" ]; then return; fi
    say "installing the Rust target $target"
    if command -v rustup >/dev/null && (cd "$ROOT" && rustup --quiet target add "$target" >&2); then return; fi
    die "Rust's target $target is missing and cannot be installed" \
        "rustup target add --toolchain $(toml_value rust-toolchain.toml channel) $target"
}

# A C compiler for the machine of the target $1, and Rust's own linker, where that machine is not this one.
ensure_cross_compiler() {
    local target="$1" machine compiler package headers variable
    machine="${target%%-*}"
    if [ "$machine" = "$(uname -m)" ]; then return; fi
    case "$machine" in
    aarch64) package=gcc-aarch64-linux-gnu headers=libc6-dev-arm64-cross ;;
    x86_64) package=gcc-x86-64-linux-gnu headers=libc6-dev-amd64-cross ;;
    *) die "no cross compiler is known for $target" ;;
    esac
    variable="${target//-/_}"
    compiler="$machine-linux-gnu-gcc"
    # A compiler that somebody chose stays chosen. Its headers are asked for too: Debian installs them apart.
    if [ -z "$(printenv "CC_$variable" || true)" ]; then
        if ! printf '#include <stdlib.h>\nint x;\n' | "$compiler" -x c -c -o /dev/null - 2>/dev/null; then
            apt_install "$package" "$headers"
        fi
        export "CC_$variable=$compiler"
    fi
    variable="CARGO_TARGET_$(printf '%s' "$variable" | tr '[:lower:]' '[:upper:]')_LINKER"
    if [ -z "$(printenv "$variable" || true)" ]; then export "$variable=rust-lld"; fi
}

# Adds a clippy or rustfmt (`$1`: cargo-clippy, cargo-fmt; `$2`: the component) to the toolchain in use.
ensure_component() {
    if (cd "$ROOT" && "$1" --version) >/dev/null 2>&1; then return; fi
    if command -v rustup >/dev/null && (cd "$ROOT" && rustup --quiet component add "$2" >&2); then return; fi
    die "$2 is missing and cannot be installed" "rustup component add $2"
}

# Installs Debian packages, where we may; else says what to type.
apt_install() {
    if ! command -v apt-get >/dev/null; then
        die "missing here: what Debian calls $*" "install these with this system's package manager"
    fi
    [ "$(id -u)" = 0 ] || die "missing Debian packages: $*" "sudo apt-get install --no-install-recommends $*"
    say "installing Debian packages: $*"
    local log
    log="$(mktemp)"
    if ! {
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" ||
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@"; }
    } </dev/null >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "cannot install Debian packages: $*"
    fi
    rm -f "$log"
}

# A C compiler and linker: Rust links with `cc`, and `ring` (cryptography) holds C.
ensure_c_compiler() {
    if ! command -v cc >/dev/null || ! printf '#include <stdlib.h>\nint main(void) { return 0; }\n' |
        cc -x c -o /dev/null - 2>/dev/null; then
        apt_install gcc libc6-dev
    fi
    # The static target's C code is compiled by musl's wrapper where there is one. The machine's own compiler
    # does as well: what `ring` takes from the C library's headers is the same in both.
    if [ -z "${CC_x86_64_unknown_linux_musl:-}" ] && ! command -v musl-gcc >/dev/null; then
        export CC_x86_64_unknown_linux_musl=cc
    fi
}

# What tests and demo make containers with: util-linux, which only the smallest systems lack.
ensure_namespace_tools() {
    local tool
    for tool in setsid unshare setpriv; do
        [ -x "/usr/bin/$tool" ] || apt_install util-linux
    done
}
