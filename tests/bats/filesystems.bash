# SPDX-License-Identifier: MIT
#
# Real filesystems on loop devices, after `load helpers`:
#
#     setup() { scratch_begin; }
#     teardown() { fs_end; scratch_end; }
#
#     fs_mount btrfs "$T/b"        # btrfs, xfs (with reflinks) or ext4; sparse, of 512 MiB or the size given
# shellcheck shell=bash disable=SC2154  # T: helpers.bash

# fs_mount TYPE DIR [SIZE]
fs_mount() {
    local image=$2.image
    require loop "filesystems on loop devices"
    truncate -s "${3:-512M}" "$image"
    case $1 in
    btrfs) mkfs.btrfs -q "$image" ;;
    xfs) mkfs.xfs -q -m reflink=1 "$image" ;;
    ext4) mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 "$image" ;;
    *) fail "no filesystem '$1'" ;;
    esac
    mkdir -p "$2"
    mount -o loop "$image" "$2"
}

# Ends the VMs and takes the filesystems down, the innermost first.
fs_end() {
    local file
    [[ -n ${T:-} ]] || return 0 # else it would be all that there is
    for file in "$T"/*.pid; do
        [[ ! -f $file ]] || { kill_and_wait "$(<"$file")" && rm -f -- "$file"; }
    done
    while read -r file; do
        unmount "$(printf %b "$file")"
    done < <(awk -v t="$T/" 'index($2, t) == 1 {print $2}' /proc/self/mounts | tac)
}

# unmount DIR: also where a process that has been killed still holds a file there, for a moment.
unmount() {
    local i
    for ((i = 0; i < 500; i++)); do
        if LC_ALL=C umount -- "$1" 2>"$T/.umount"; then return; fi
        grep -q 'target is busy' "$T/.umount" || break
        sleep 0.01
    done
    fail "$1 cannot be unmounted: $(<"$T/.umount")"
}
