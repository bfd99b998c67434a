#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The Debian packages that are needed, in groups: what compiles the tools (build); that and what boots,
# checkpoints and restores a VM with them (demo); all that the tests need (check), and what
# `make check-libvirt` and `make powercut` need as well (libvirt, powercut).
#
#     deps.sh build MODULE…           says what is missing to compile, and how to get it; installs nothing
#     deps.sh install GROUP           installs what is missing where it may (root, with apt), or says how
#
# build asks the compiler $CC and $PKG_CONFIG for the MODULEs, since they need not come from packages.

set -euo pipefail

# The package of each pkg-config module.
declare -A package_of=([jansson]=libjansson-dev [libzstd]=libzstd-dev [libxxhash]=libxxhash-dev
    [libbtrfsutil]=libbtrfsutil-dev [libqcow]=libqcow-dev [libnbd]=libnbd-dev [libsodium]=libsodium-dev)

build=(gcc libc6-dev make pkg-config "${package_of[@]}")
demo=("${build[@]}" qemu-system-x86 qemu-utils jq procps)
check=("${demo[@]}" bats bats-support bats-assert bats-file socat mandoc man-db shellcheck
       cpio git xz-utils zstd xxhash binutils util-linux e2fsprogs xfsprogs btrfs-progs
       gnuplot-nox graphviz strace systemtap bpftrace systemtap-sdt-dev systemd zsh fish)
libvirt=("${check[@]}" libvirt-clients libvirt-daemon-driver-qemu)
powercut=("${check[@]}" nbdkit nbdkit-plugin-dev libnbd-bin)
install=(apt-get install --yes --no-install-recommends)

# say_missing PACKAGE…: how these are installed.
say_missing() {
    echo "hint: sudo apt-get install --no-install-recommends $*" >&2
    command -v apt-get >/dev/null || echo "hint: (these are Debian's names; other systems have them under their own)" >&2
}

# --- build ----------------------------------------------------------------------------------------------------------

missing_to_build() {
    local module missing=() packages=()
    # CC may be several words
    # shellcheck disable=SC2086
    echo '#include <stdio.h>' | ${CC:-cc} -E - >/dev/null 2>&1 || { missing+=("a C compiler"); packages+=(gcc libc6-dev); }
    if ! ${PKG_CONFIG:-pkg-config} --version >/dev/null 2>&1; then
        missing+=(pkg-config)
        packages+=(pkg-config)
    fi
    for module; do
        ${PKG_CONFIG:-pkg-config} --exists "$module" 2>/dev/null && continue
        missing+=("$module")
        packages+=("${package_of[$module]}")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    printf -v missing '%s, ' "${missing[@]}"
    echo "make: missing to compile: ${missing%, }" >&2
    say_missing "${packages[@]}"
    echo "hint: or, for the tests as well: make deps" >&2
    return 1
}

# --- install --------------------------------------------------------------------------------------------------------

install_missing() {
    local package installed missing=()
    if ! command -v dpkg-query >/dev/null; then
        # Another system has the same things under other names: what is missing will show.
        echo "deps.sh: not checked, this is no Debian system: $*" >&2
        return
    fi

    # One at a time: two makes may ask at once, and apt has one lock.
    exec 9<"$0"
    flock 9

    # dpkg-query says "install ok installed" (ii) for what is there, and fails when one package is unknown.
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii  *//p') || true
    for package; do
        grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0

    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        echo "deps.sh: missing: ${missing[*]}" >&2
        say_missing "${missing[@]}"
        return 1
    fi
    echo "deps.sh: installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    # Old package lists are the usual reason for a failure, so refresh them only then, or when there are none.
    "${install[@]}" "${missing[@]}" >/dev/null 2>&1 ||
        { apt-get update -qq && "${install[@]}" "${missing[@]}" >/dev/null; } || {
        echo "deps.sh: apt-get could not install ${missing[*]}" >&2
        return 1
    }
}

case ${1:-}-${2:-} in
build-*) missing_to_build "${@:2}" ;;
install-demo) install_missing "${demo[@]}" ;;
install-check) install_missing "${check[@]}" ;;
install-libvirt) install_missing "${libvirt[@]}" ;;
install-powercut) install_missing "${powercut[@]}" ;;
*) echo "usage: deps.sh build MODULE... | install demo|check|libvirt|powercut" >&2 && exit 2 ;;
esac
