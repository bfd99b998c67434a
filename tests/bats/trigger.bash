# SPDX-License-Identifier: MIT
#
# What the tests of mplcr-trigger share, after `load helpers`.
# shellcheck shell=bash disable=SC2154  # BUILD, BIN, T, QMP, stderr …: helpers.bash

export FAKE_QMP=${FAKE_QMP:-$BUILD/tests/tools/fake-qmp}

# boot [QEMU ARGUMENT…]: the VM "vm" with two disks, drive0 (virtio, qcow2) and drive1 (IDE or $BUS, raw).
boot() {
    make_disk "$T/a.qcow2" qcow2 16M
    make_disk "$T/b.img" raw 16M
    GUEST_WORDS=${GUEST_WORDS-ws=16M rate=8M} vm_start vm -m 128M \
        -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0" -drive "file=$T/b.img,format=raw,if=${BUS:-ide},id=drive1" "$@"
    vm_wait_count vm 5
}

# trigger STATUS [OPTION…]: mplcr-trigger on that VM, through $SOCKET where that is set.
trigger() {
    local expected=$1
    shift
    run_tool "$expected" "$BIN/mplcr-trigger" --socket "${SOCKET:-$T/vm.qmp}" "$@"
}

# says TEXT: it stands in the tool's messages.
says() {
    [[ $stderr == *"$1"* ]] || fail "$(printf 'the message lacks: %s\n--- stderr:\n%s' "$1" "$stderr")"
}

qmp() {
    local name=$1
    shift
    "$QMP" "$T/$name.qmp" "$@"
}

# vm_facts [NAME]: all that a checkpoint that failed must leave as it was: capabilities, parameters, block nodes, which
# image each disk writes to, whether the VM runs, and every file.
vm_facts() {
    local name=${1:-vm}
    qmp "$name" query-migrate-capabilities
    qmp "$name" query-migrate-parameters
    { qmp "$name" query-block; qmp "$name" query-named-block-nodes; } |
        jq -cs '(.[0][] | [.device, .qdev, .inserted["node-name"], .inserted.file, .inserted.image]),
            ([.[1][] | "\(.["node-name"]) \(.drv) \(.file) \(.ro)"] | sort[])' |
        sed -E 's/"(actual-size|cluster-size|dirty-flag|vm-clock|vm-state)[^,]*,//g'
    qmp "$name" query-block-jobs
    if vm_running "$T/$name.qmp"; then echo true; else echo false; fi
    find "$T" \( -path "$T/.tool" -o -path "$T/.key" -o -path "$T/fake.*" \) -prune -o ! -name '*.log' ! -name 'fake.*' -printf '%P %m\n' | sort
}

# as_before FACTS [NAME]: the VM is as it was, and the guest goes on.
as_before() {
    local now
    now=$(vm_facts "${2:-vm}")
    [[ $now == "$1" ]] || fail "$(printf 'not as before:\n'; diff <(echo "$1") <(echo "$now"))"
    if grep -q '^true$' <<<"$1"; then vm_assert_counting "${2:-vm}" "${STEPS:-12}"; fi
}

# fake [FAKE-QMP ARGUMENT…]: the misbehaving peer at $T/fake.qmp, see tests/tools/fake-qmp.c.
fake() {
    local i
    rm -f -- "$T/fake.qmp"
    [[ ! -f $T/fake.pid ]] || kill_and_wait "$(<"$T/fake.pid")"
    local options=()
    while [[ ${1:-} == -* ]]; do
        options+=("$1" "$2")
        shift 2
    done
    "$FAKE_QMP" "${options[@]}" "$T/fake.qmp" "$@" </dev/null >"$T/fake.log" 2>&1 3>&- &
    echo $! >"$T/fake.pid"
    for ((i = 0; i < 3000; i++)); do
        [[ ! -S $T/fake.qmp ]] || return 0
        sleep 0.01
    done
    fail "fake-qmp does not start: $(cat "$T/fake.log")"
}

# between RULE…: it stands between the tool and the VM.
between() {
    : >"$T/fake.commands"
    fake -u "$T/vm.qmp" -l "$T/fake.commands" "$@"
}

# tool_gone PATTERN SECONDS: waits until the tool with that command line, and its guardian, have ended.
tool_gone() {
    local i
    for ((i = 0; i < $2 * 50; i++)); do
        pgrep -f -- "$1" >/dev/null || [[ -n $(guardians) ]] || return 0
        sleep 0.02
    done
    fail "${1%% *} or its guardian is still there after $2 seconds"
}

# Waits until neither mplcr-trigger nor its guardian is there any more, at most SECONDS (60).
wait_all_gone() { tool_gone "mplcr-trigger --socket $T/" "${1:-60}"; }

# guard_gone: the same of mplcr-chain, shorten or prune.
guard_gone() { tool_gone "mplcr-chain [sp].*$T/" 10; }

# nothing_left: no checkpoint, whole or half, and no overlay.
nothing_left() {
    local files
    files=$(find "$T" -name '*.ckpt*' -o -name '*.ovl')
    [[ -z $files ]] || fail "left behind: $files"
}

# --- restoring by hand ----------------------------------------------------------------------------------------------

# load_checkpoint NAME CKPT [QEMU ARGUMENT…]
#
# Starts a VM from the checkpoint with nothing but QEMU (and zstd), so that mplcr-trigger is judged by itself; the
# guest runs.  {drive0} in an argument becomes a fresh overlay over what was frozen of that disk.
load_checkpoint() {
    local name=$1 ckpt=$2 json device frozen format argument incoming arguments=() memory=()
    shift 2
    json=$ckpt/checkpoint.json
    for argument; do
        while read -r device frozen format; do
            [[ $argument == *"{$device}"* ]] || continue
            qemu-img create -q -f qcow2 -F "$format" -b "$frozen" "$T/$name-$device.run"
            argument=${argument/"{$device}"/$T/$name-$device.run}
        done < <(jq -r '.disks[] | "\(.device) \(.frozen) \(.chain[0].format)"' "$json")
        arguments+=("$argument")
    done
    incoming="cat '$ckpt/devices.vmstate'"
    if [[ -f $ckpt/ram/pc.ram ]]; then
        memory=(-machine "memory-backend=pc.ram" -object
            "memory-backend-file,id=pc.ram,size=$(jq .qemu.memory "$json"),mem-path=$ckpt/ram/pc.ram,share=off")
    elif [[ -f $ckpt/state.vmstate.zst ]]; then
        incoming="zstd -dc '$ckpt/state.vmstate.zst'"
    else
        incoming="cat '$ckpt/state.vmstate'"
    fi
    vm_start "$name" "${arguments[@]}" "${memory[@]}" -incoming "exec:$incoming"
    vm_wait_migration "$T/$name.qmp"
    vm_running "$T/$name.qmp" || qmp "$name" cont >/dev/null
}

# first_count NAME: the first whole COUNT that the guest said.
first_count() {
    tr -d '\0\r' <"$T/$1.serial" | sed -n 's/^COUNT \([0-9]*\)$/\1/p' | head -n 1
}

# goes_on_from NAME LEAST MOST: the restored guest counts on from between the two, with memory and disks whole.
goes_on_from() {
    local first
    vm_wait_count "$1" 1
    first=$(first_count "$1")
    ((first >= $2 && first <= $3 + 1)) || fail "the restored guest starts at $first, not between $2 and $3"
    vm_assert_counting "$1" 20
}
