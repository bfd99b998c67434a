#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: 10
# shellcheck disable=SC2154  # M, T: helpers.bash, powercut.bash
#
# mplcr-chain prune and the power: what the checkpoints that are kept and the VM need always shows the same; the same
# command does the rest, and what is done stays so.

load ../bats/helpers
load ../bats/filesystems
load powercut

# Checkpoints x1 to x5 of a VM, which is then off.
prepare() {
    local i
    make_disk "$M/a.qcow2" qcow2 16M
    GUEST_WORDS='ws=1M rate=8M' vm_start vm -m 32M -drive "file=$M/a.qcow2,format=qcow2,if=virtio"
    for i in 1 2 3 4 5; do
        vm_wait_count vm +1
        run_tool 0 mplcr-trigger --socket "$T/vm.qmp" --dir "$M" --name "x$i" --layout stream --quiet
    done
    vm_wait_count vm +1
    vm_kill vm
    for i in 2 4 5; do
        qemu-img convert -O raw "$M/a_x$i.ovl" "$T/facts/x$i"
    done
}

# How many are kept; and then there are.
kept_in() {
    case $1 in
    0) keep=5 there=() ;;
    1) keep=3 there=(a.qcow2 a_x2.ovl a_x3.ovl a_x4.ovl a_x5.ovl x3.ckpt x4.ckpt x5.ckpt) ;;
    2) keep=1 there=(a.qcow2 a_x4.ovl a_x5.ovl x5.ckpt) ;;
    3) keep=0 there=(a.qcow2 a_x5.ovl) ;;
    esac
}

operate() {
    local i keep there
    for i in 1 2 3; do
        kept_in $i
        step mplcr-chain prune --keep "$keep" "$M"
    done
}

# What the VM has, and what the checkpoint was frozen at that is kept to the end.
judge_images() {
    shows "$M/a_x5.ovl" x5 || return 1
    (($1 > 2)) || shows "$M/a_x4.ovl" x4 || return 1
    (($1 > 1)) || shows "$M/a_x2.ovl" x2
}

judge() {
    local keep there now
    kept_in "$1"
    now=$(find "$M" -mindepth 1 -maxdepth 1 ! -name lost+found -printf "%f\n" | sort | xargs)
    [[ $1 == 0 || $now == "${there[*]}" ]] || { echo "there is $now, not ${there[*]}"; return 1; }
    judge_images "$1" || return 1
    [[ $1 == 3 ]] || tool 0 mplcr-chain verify --sums "$M/x5.ckpt"
}

judge_cut() {
    local keep there
    kept_in "$1"
    judge_images "$1" && tool 0 mplcr-chain prune --keep "$keep" "$M" && judge "$1"
}

@test "power cuts: prune, ext4" { powercut ext4; }

@test "power cuts: prune, xfs" { powercut xfs; }

@test "power cuts: prune, btrfs" { powercut btrfs; }
