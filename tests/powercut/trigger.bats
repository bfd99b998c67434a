#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: 10
# shellcheck disable=SC2154  # M, T: helpers.bash, powercut.bash
#
# mplcr-trigger and the power: a checkpoint is whole under its name or has none; what is half made, recover names and puts
# right; the images that the VM has to go on with are sound.

load ../bats/helpers
load ../bats/filesystems
load powercut

prepare() {
    make_disk "$M/a.qcow2" qcow2 16M
    make_disk "$M/b.img" raw 16M
}

# The guest goes on for a moment after each, and writes.
operate() {
    local n=0 options
    GUEST_WORDS='ws=1M rate=8M' vm_start vm -m 32M -drive "file=$M/a.qcow2,format=qcow2,if=virtio,id=drive0" \
        -drive "file=$M/b.img,format=raw,if=virtio,id=drive1"
    vm_wait_count vm 2
    for options in "--engine stop --layout pages" "--engine background --layout stream" "--engine background --layout pages"; do
        n=$((n + 1))
        # shellcheck disable=SC2086  # several words
        step mplcr-trigger --socket "$T/vm.qmp" --dir "$M" --name "x$n" $options
        vm_wait_count vm +1
    done
    vm_kill vm
}

# All checkpoints up to the Nth are there, and whole, and the images that the VM may have to go on with are sound.
judge() {
    local i
    for ((i = 1; i <= $1; i++)); do
        whole "x$i" || return 1
    done
    sound && holds_no_half
}

whole() {
    tool 0 mplcr-chain verify --sums "$M/$1.ckpt" && tool 0 mplcr-state verify "$M/$1.ckpt"
}

holds_no_half() {
    local left=("$M"/*.partial)
    [[ ! -e ${left[0]} ]] || { echo "there is ${left[*]}"; return 1; }
}

# Each image that is there. Clusters may be lost (3) where QEMU was about to write, no more.
sound() {
    local image status
    for image in "$M"/*.ovl "$M/a.qcow2"; do
        [[ -e $image ]] || continue
        status=0
        qemu-img check -q "$image" >"$T/out" 2>&1 || status=$?
        [[ $status == 0 || $status == 3 ]] || { echo "$image is damaged:"; cat "$T/out"; return 1; }
    done
}

# In the middle of the Nth. Whoever recovers has started the host anew.
judge_cut() {
    local half=$M/x$1.ckpt.partial
    local recover=(env FAULT_BOOT="$T/boot" LD_PRELOAD="$BUILD/tests/torture/faults.so" mplcr-trigger recover)
    echo another >"$T/boot"
    if [[ -e $half ]]; then
        tool 1 "${recover[@]}" "$M" || return 1
        grep -q "$half" "$T/out" || { echo "recover does not tell of $half:"; cat "$T/out"; return 1; }
    fi
    tool 0 "${recover[@]}" --yes "$M" && tool 0 "${recover[@]}" "$M" || return 1
    [[ ! -s $T/out ]] || { echo "recover has not done all:"; cat "$T/out"; return 1; }
    [[ ! -e $M/x$1.ckpt ]] || whole "x$1" || return 1
    judge $(($1 - 1))
}

@test "power cuts: trigger, ext4" { powercut ext4; }

@test "power cuts: trigger, xfs" { powercut xfs; }

@test "power cuts: trigger, btrfs" { powercut btrfs; }
