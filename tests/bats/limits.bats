#!/usr/bin/env bats
# qemu: 10
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# At the bounds, and with less than usual: numbers at and over their limits, and 64 MiB of address space. What cannot be done
# is refused in words, and the VM runs on.

load helpers
load trigger

# --- bounds ---------------------------------------------------------------------------------------------------------

# many N: the VM "vm" with so many disks.
many() {
    local i disks=()
    for ((i = 0; i < $1; i++)); do
        truncate -s 1M "$T/d$i.img"
        disks+=(-drive "file=$T/d$i.img,format=raw,if=none,id=d$i")
    done
    GUEST_WORDS='ws=4M rate=4M' vm_start vm -m 32M "${disks[@]}"
}

@test "64 disks are frozen at one instant, under a name of 100 characters; 65 are refused" {
    local name
    many 65
    trigger 3
    says "mplcr-trigger: the VM has 65 disks to freeze, more than 64"
    assert_equal "$(find "$T" -name '*.ckpt*' -o -name '*.ovl')" ''
    name=$(printf 'n%.0s' {1..100})
    trigger 0 --leave-out d64 --name "$name"
    assert_equal "$(jq '[.disks[] | select(.active | endswith(".ovl"))] | length' "$T/$name.ckpt/checkpoint.json")" 64
    run_tool 0 mplcr-chain verify "$T/$name.ckpt"
    vm_assert_counting vm 4
}

# --- 64 MiB of address space ----------------------------------------------------------------------------------------

# little STATUS COMMAND…: with that limit.
little() {
    local expected=$1
    shift
    run_tool "$expected" bash -c 'ulimit -S -v 65536; exec "$@"' - "$@"
}

@test "64 MiB of address space: QEMU that cannot start in it is told of, and nothing is left" {
    [[ -z ${SANITIZE:-} ]] || skip "a sanitizer needs more"
    boot
    trigger 0 --name x1
    vm_kill vm
    little 3 mplcr-restore "$T/x1.ckpt"
    assert_equal "$(find "$T" -maxdepth 1 -name '*.run-*')" ''
}
