#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: none
# shellcheck disable=SC2154  # M, T: helpers.bash, powercut.bash
#
# mplcr-snap and the power: an overlay is whole, or not there; a set in a new directory is there with all its files, or
# not at all; of other sets each file that has its name is whole; and what is removed can be removed once more.

load ../bats/helpers
load ../bats/filesystems
load powercut

images=(a.qcow2 b.img c.img)

prepare() {
    cd "$M"
    qemu-img create -q -f qcow2 -o cluster_size=4k a.qcow2 1M
    qemu-io -c 'write -q -P 1 0 200k' a.qcow2
    qemu-img create -q -f raw b.img 256k
    qemu-io -f raw -c 'write -q -P 2 0 100k' b.img
    cp b.img c.img
    cp a.qcow2 b.img c.img "$T/facts"
    qemu-img convert -f qcow2 -O raw a.qcow2 "$T/facts/seen"
    cd /
}

# Where files share no data they are copied.
operate() {
    local share=(--reflink always)
    [[ $type != ext4 ]] || share=(--reflink never)
    cd "$M"
    step mplcr-snap overlay a.qcow2 a.ovl
    step mplcr-snap reflink "${share[@]}" --to set "${images[@]}"
    step mplcr-snap reflink "${share[@]}" --suffix .x "${images[@]}"
    step mplcr-snap reflink "${share[@]}" --chain --to chain a.ovl
    step mplcr-snap remove --set a.qcow2.x
    step mplcr-snap remove set
    step mplcr-snap remove a.ovl
    cd /
}

# same DIR SUFFIX: each image is there, as it was.
same() {
    local image
    for image in "${images[@]}"; do
        cmp "$1/$image$2" "$T/facts/$image" || return 1
    done
}

is_overlay() { tool 0 mplcr-chain verify "$1" && shows "$1" seen; }

# What is there after each step. What a step made stays until one removes it.
judge() {
    same "$M" '' || return 1
    if (($1 >= 1 && $1 < 7)); then is_overlay "$M/a.ovl" || return 1; fi
    if (($1 >= 2 && $1 < 6)); then same "$M/set" '' && holds "$M/set" "${images[@]}" || return 1; fi
    if (($1 >= 3 && $1 < 5)); then same "$M" .x || return 1; fi
    if (($1 >= 4)); then is_overlay "$M/chain/a.ovl" && holds "$M/chain" a.ovl a.qcow2 || return 1; fi
    if (($1 >= 5)); then gone "$M"/*.x || return 1; fi
    if (($1 >= 6)); then gone "$M/set" || return 1; fi
    if (($1 >= 7)); then gone "$M/a.ovl" || return 1; fi
    gone "$M"/*.partial
}

gone() {
    local path
    for path; do
        [[ ! -e $path ]] || { echo "$path is there"; return 1; }
    done
}

# One that was made is whole under its name. What has another name, .partial, is in nobody's way but its own.
judge_cut() {
    local path
    case $1 in
    1) [[ ! -e $M/a.ovl ]] || is_overlay "$M/a.ovl" || return 1 ;;
    2) [[ ! -e $M/set ]] || { same "$M/set" '' && holds "$M/set" "${images[@]}"; } || return 1 ;;
    3) for path in "$M"/*.x; do
            [[ ! -e $path ]] || cmp "$path" "$T/facts/$(basename "$path" .x)" || return 1
        done ;;
    4) [[ ! -e $M/chain ]] || { is_overlay "$M/chain/a.ovl" && holds "$M/chain" a.ovl a.qcow2; } || return 1 ;;
    5) for path in "$M"/*.x; do
            [[ ! -e $path ]] || cmp "$path" "$T/facts/$(basename "$path" .x)" || return 1
            [[ ! -e $path ]] || tool 0 mplcr-snap remove --force "$path" || return 1
        done ;;
    6) [[ ! -e $M/set ]] || tool 0 mplcr-snap remove "$M/set" || tool 0 mplcr-snap remove --force "$M"/set/* || return 1 ;;
    7) [[ ! -e $M/a.ovl ]] || { is_overlay "$M/a.ovl" && tool 0 mplcr-snap remove "$M/a.ovl"; } || return 1 ;;
    esac
    if (($1 >= 5)); then judge "$1"; else rm -rf "$M"/*.partial && judge $(($1 - 1)); fi
}

@test "power cuts: snap, ext4" { powercut ext4; }

@test "power cuts: snap, xfs" { powercut xfs; }

@test "power cuts: snap, btrfs" { powercut btrfs; }
