#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes sure that the Debian packages of a group are there.
#
#     deps.sh build     what compiles the tools
#     deps.sh demo      and what boots, checkpoints and restores a VM with them
#     deps.sh check     and what the tests need
#
# Installs what is missing where it may (root, with apt); otherwise prints the command that does and fails.

set -euo pipefail

build=(gcc libc6-dev make pkg-config libjansson-dev libzstd-dev libxxhash-dev libbtrfsutil-dev libqcow-dev libsodium-dev
       libnbd-dev libsodium-dev)
demo=("${build[@]}" qemu-system-x86 qemu-utils jq procps)
check=("${demo[@]}" bats bats-support bats-assert bats-file socat mandoc man-db shellcheck
       cpio xz-utils zstd xxhash binutils util-linux e2fsprogs xfsprogs btrfs-progs
       gnuplot-nox graphviz strace systemtap bpftrace systemtap-sdt-dev)

usage() {
    echo "usage: deps.sh build|demo|check" >&2
    exit 2
}

[[ $# -eq 1 ]] || usage
case $1 in
build) wanted=("${build[@]}") ;;
demo) wanted=("${demo[@]}") ;;
check) wanted=("${check[@]}") ;;
*) usage ;;
esac

if ! command -v dpkg-query >/dev/null; then
    # Another system has the same things under other names: what is missing will show.
    echo "deps.sh: not checked, this is no Debian system: ${wanted[*]}" >&2
    exit 0
fi

# One at a time: make --jobs asks for two groups at once, and apt has one lock.
exec 9<"$0"
flock 9

# dpkg-query says "install ok installed" (ii) for what is there, and fails when one package is unknown.
installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null | sed -n 's/^ii  *//p') || true
missing=()
for package in "${wanted[@]}"; do
    grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

install=(apt-get install --yes --no-install-recommends "${missing[@]}")
if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "deps.sh: missing: ${missing[*]}" >&2
    echo "hint: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

echo "deps.sh: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# Old package lists are the usual reason for a failure, so refresh them only then, or when there are none.
"${install[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${install[@]}" >/dev/null; } || {
    echo "deps.sh: apt-get could not install ${missing[*]}" >&2
    exit 1
}
