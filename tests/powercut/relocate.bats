#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: none
# shellcheck disable=SC2154  # M, T: helpers.bash, powercut.bash
#
# mplcr-chain relocate and the power: a chain is moved, copied, and moved from one of its directories into another. One of
# the two sets is always complete; the same command does the rest, and what is done stays so.

load ../bats/helpers
load ../bats/filesystems
load powercut

# The step: from where, to where, and with what.
step_of() {
    case $1 in
    1) from=$M/old to=$M/new how=() ;;
    2) from=$M/new to=$M/copy how=(--copy) ;;
    3) from=$M/copy to=$M/moved how=() ;;
    esac
    relocate=(mplcr-chain relocate "${how[@]}" --to "$to" "$from/top.qcow2")
}

# top <- mid <- low/base <- templates/site, the last by its absolute path.
prepare() {
    mkdir -p "$M/old/low" "$M/old/templates"
    cd "$M/old"
    qemu-img create -q -f qcow2 -o cluster_size=4k templates/site.qcow2 1M
    qemu-io -c 'write -q -P 1 0 256k' templates/site.qcow2
    qemu-img create -q -f qcow2 -o cluster_size=4k -F qcow2 -b "$M/old/templates/site.qcow2" low/base.qcow2
    qemu-io -c 'write -q -P 2 128k 256k' low/base.qcow2
    qemu-img create -q -f qcow2 -o cluster_size=4k -F qcow2 -b low/base.qcow2 mid.qcow2
    qemu-img create -q -f qcow2 -o cluster_size=4k -F qcow2 -b mid.qcow2 top.qcow2
    qemu-io -c 'write -q -P 3 512k 64k' top.qcow2
    qemu-img convert -f qcow2 -O raw top.qcow2 "$T/facts/disk"
    cd /
}

operate() {
    local i from to how relocate
    for i in 1 2 3; do
        step_of $i
        step "${relocate[@]}"
    done
}

judge() {
    local from to how relocate
    if [[ $1 == 0 ]]; then
        shows "$M/old/top.qcow2" disk
        return
    fi
    step_of "$1"
    set_at "$to" || return 1
    [[ $1 != 2 ]] || set_at "$from" || return 1
    [[ $1 == 2 || -z $(find "$from" -type f 2>/dev/null) ]] || { find "$from"; return 1; }
}

set_at() {
    [[ -z $(find "$1" -name '.*' ! -name .mplcr-claims) ]] || { find "$1"; return 1; }
    [[ $(find "$1" -type f ! -path '*/.mplcr-claims/*' -printf '%f ' | xargs -n 1 | sort | xargs) == 'base.qcow2 mid.qcow2 site.qcow2 top.qcow2' ]] ||
        { find "$1"; return 1; }
    tool 0 mplcr-chain verify "$1/top.qcow2" && shows "$1/top.qcow2" disk
}

judge_cut() {
    local from to how relocate
    step_of "$1"
    qemu-img compare -q -U -F raw "$from/top.qcow2" "$T/facts/disk" 2>/dev/null || shows "$to/top.qcow2" disk || return 1
    # Where all was done but the end of the tool, there is nothing to do.
    if [[ -e $from/top.qcow2 && $1 != 2 || -e $to/.mplcr-relocate || ! -e $to/top.qcow2 ]]; then
        tool 0 "${relocate[@]}" || return 1
    fi
    judge "$1"
}

@test "power cuts: relocate, ext4" { powercut ext4; }

@test "power cuts: relocate, xfs" { powercut xfs; }

@test "power cuts: relocate, btrfs" { powercut btrfs; }
