# shellcheck shell=bash
# What scripts/test and scripts/quickstart share: packages, configure, make.
# Sourced by bash with `set -eu`; the caller's directory is the source tree.

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# packages_of KIND...: the names of these kinds.
packages_of() {
    local kind name
    while read -r kind name; do
        case " $* " in
        *" $kind "*) printf '%s\n' "$name" ;;
        esac
    done <scripts/packages
}

packages_missing() {
    local name
    for name in $(packages_of "$@"); do
        dpkg-query -W -f '${Status}\n' "$name" 2>/dev/null | grep -q ' installed$' ||
            printf '%s\n' "$name"
    done
}

# Installs what is missing of these kinds. Exit status 3 if that takes a root
# that we are not. Elsewhere than on Debian it is the reader's own business.
packages_install() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian: assuming that scripts/packages or its like is installed"
        return 0
    fi
    missing=$(packages_missing "$@" | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "some packages are missing; this line installs them:"
        say "  sudo apt-get install --no-install-recommends $missing"
        exit 3
    fi
    say "installing: $missing"
    without_services apt_install "$missing"
}

apt_install() {
    local log
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of names
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $1; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log"
        rm -f "$log"
        fail "apt-get could not install: $1"
    fi
    rm -f "$log"
}

# etcd-server and memcached would start as services of the machine, which nobody
# asked for: a policy-rc.d that says no stands there while dpkg works.
without_services() {
    local policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    ("$@") || { rm -f "$policy"; return 1; }
    rm -f "$policy"
}

# tree_configure BUILD ARG...: configures the tree in BUILD, which is made, if
# that was not done yet with these arguments. make itself reconfigures when
# configure.ac has changed.
tree_configure() {
    local build=$1 source=$PWD
    shift
    if [ ! -x configure ]; then
        say "autoreconf"
        autoreconf -i >autoreconf.log 2>&1 || { cat autoreconf.log; fail "autoreconf failed"; }
        rm -f autoreconf.log
    fi
    mkdir -p "$build"
    if [ -e "$build/config.status" ] && [ "$(cat "$build/.configured" 2>/dev/null)" = "$*" ]; then
        return 0
    fi
    say "configure $* in $build"
    rm -f "$build/.configured"
    (cd "$build" && "$source/configure" -q "$@") || fail "configure failed"
    printf '%s\n' "$*" >"$build/.configured"
}

cores() {
    nproc 2>/dev/null || echo 2
}

# tree_make BUILD TARGET...: quiet unless it fails.
tree_make() {
    local build=$1
    shift
    say "make $*"
    make -C "$build" -j"$(cores)" "$@" >"$build/make.log" 2>&1 ||
        { tail -n 60 "$build/make.log"; fail "make failed"; }
}
