#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: none
# shellcheck disable=SC2154  # M, T: helpers.bash, powercut.bash
#
# mplcr-chain shorten and the power: upwards, downwards, and to a single image. The top always shows the same; the same
# command does the rest, and what is done stays so.

load ../bats/helpers
load ../bats/filesystems
load powercut

chains=(keep into alone)

options_of() {
    case $1 in
    1) options=(--keep 2) ;;
    2) options=(--into "$M/into/base.qcow2") ;;
    3) options=(--keep 1) ;;
    esac
}

# base <- a <- b <- top, in each of which the guest wrote something, zeros too.
prepare() {
    local chain name below i
    for chain in "${chains[@]}"; do
        mkdir "$M/$chain"
        cd "$M/$chain"
        qemu-img create -q -f qcow2 -o cluster_size=4k base.qcow2 1M
        qemu-io -c 'write -q -P 1 0 512k' base.qcow2
        below=base i=1
        for name in a b top; do
            i=$((i + 1))
            qemu-img create -q -f qcow2 -o cluster_size=4k -F qcow2 -b "$below.qcow2" "$name.qcow2"
            qemu-io -c "write -q -P $i $((i * 100))k 64k" -c "write -q -z $((i * 120))k 16k" -c "write -q -P 9 $((i * 8))k 4k" "$name.qcow2"
            below=$name
        done
        qemu-img convert -f qcow2 -O raw top.qcow2 "$T/facts/$chain"
    done
    cd /
}

operate() {
    local i options
    for i in 1 2 3; do
        options_of $i
        step mplcr-chain shorten "${options[@]}" "$M/${chains[i - 1]}/top.qcow2"
    done
}

judge() {
    local i
    for ((i = 0; i < $1; i++)); do
        holds "$M/${chains[i]}" base.qcow2 top.qcow2 || return 1
    done
    [[ $1 == 0 ]] || shows "$M/${chains[$1 - 1]}/top.qcow2" "${chains[$1 - 1]}"
}

judge_cut() {
    local options top=$M/${chains[$1 - 1]}/top.qcow2
    options_of "$1"
    tool 0 mplcr-chain verify "$top" && shows "$top" "${chains[$1 - 1]}" || return 1
    tool 0 mplcr-chain shorten "${options[@]}" "$top" && judge "$1"
}

@test "power cuts: shorten, ext4" { powercut ext4; }

@test "power cuts: shorten, xfs" { powercut xfs; }

@test "power cuts: shorten, btrfs" { powercut btrfs; }
