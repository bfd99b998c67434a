#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# mplcr-trigger takes a checkpoint of a VM that runs: each engine, each layout, with the guest as judge of what was saved
# (tests/guest). What depends on the version of QEMU is here; the VMs and options that do not are in trigger-vm.bats.

load helpers
load trigger

# The disks of `boot`, for a restored VM.
restored=(-m 128M -drive 'file={drive0},format=qcow2,if=virtio,id=drive0' -drive 'file={drive1},format=qcow2,if=ide,id=drive1')

# aligned [OPTION…]: checkpoints the VM "vm" as x1 while it runs; it runs on, and what was saved is whole. $json: the
# manifest.
aligned() {
    local least most
    least=$(vm_count vm)
    trigger 0 --name x1 --json "$@"
    json=$output
    most=$(vm_count vm)
    vm_running "$T/vm.qmp"
    vm_assert_counting vm 20
    vm_kill vm
    load_checkpoint again "$T/x1.ckpt" "${restored[@]}"
    goes_on_from again "$least" "$most"
}

field() { jq -r "$1" <<<"$json"; }

# --- the plain way --------------------------------------------------------------------------------------------------

@test "with nothing but --socket: the next free name, beside the first disk, and it restores" {
    boot
    local least most file
    least=$(vm_count vm)
    trigger 0
    most=$(vm_count vm)
    assert_equal "$output" "$T/x1.ckpt"
    says "mplcr-trigger: engine background: "
    says "mplcr-trigger: x1: pause "
    says "drive0: frozen '$T/a.qcow2', active '$T/a_x1.ovl'"
    says "drive1: frozen '$T/b.img', active '$T/b_x1.ovl'"
    vm_assert_counting vm 20
    assert_equal "$(qmp vm query-block | jq -r '.[].inserted.file' | sort | xargs)" "$T/a_x1.ovl $T/b_x1.ovl"
    [ ! -e "$T/x1.ckpt.partial" ]

    # Secrets of the guest are nobody else's.
    assert_equal "$(stat -c %a "$T/x1.ckpt" "$T/x1.ckpt/ram" | xargs)" "700 700"
    for file in checkpoint.json devices.vmstate ram/pc.ram trace.jsonl; do
        assert_equal "$file $(stat -c %a "$T/x1.ckpt/$file")" "$file 600"
    done
    assert_equal "$(stat -c %a "$T/a_x1.ovl" "$T/b_x1.ovl" | xargs)" "600 600"

    vm_kill vm
    load_checkpoint again "$T/x1.ckpt" "${restored[@]}"
    goes_on_from again "$least" "$most"
    qemu-img check -q "$T/a_x1.ovl"
    qemu-img check -q "$T/b_x1.ovl"
}

@test "--json is one object, and the manifest says the same" {
    boot
    trigger 0 --json --quiet
    json=$output
    assert_equal "$stderr" ""
    assert_equal "$(wc -l <<<"$output")" 1
    assert_equal "$(field 'keys_unsorted[0]')" schema
    assert_equal "$(field .schema)" mplcr.trigger.checkpoint/1
    assert_equal "$(jq -cS . <<<"$json")" "$(jq -cS . "$T/x1.ckpt/checkpoint.json")"
    assert_equal "$(field .name)" x1
    assert_equal "$(field .checkpoint)" "$T/x1.ckpt"
    assert_equal "$(field .engine)" background
    assert_equal "$(field '[.pause_ms, .total_ms, .state_bytes] | map(type) | unique | join(" ")')" number
    assert_equal "$(field '.pause_ms > 0 and .pause_ms < .total_ms and .state_bytes > 1000000')" true
    assert_equal "$(field '.disks[].frozen' | xargs)" "$T/a.qcow2 $T/b.img"
    assert_equal "$(field '.disks[] | "\(.device) \(.active)"' | xargs)" "drive0 $T/a_x1.ovl drive1 $T/b_x1.ovl"
    assert_equal "$(field '.disks[] | .node | type' | xargs)" "string string"
    assert_equal "$(field .run_state)" running
    assert_equal "$(field .qemu.cwd)" "$PWD"
    assert_equal "$(field '.qemu.command_line | index("-nodefaults") != null')" true
    assert_equal "$(field '.ram_blocks[] | select(.name == "pc.ram") | .length')" $((128 << 20))
    # every file of the checkpoint is listed, with its size
    assert_equal "$(field '.files[] | "\(.name) \(.size)"' | sort)" \
        "$(cd "$T/x1.ckpt" && stat -c '%n %s' devices.vmstate ram/pc.ram trace.jsonl | sort)"
    jq -es 'length > 10 and all(.[]; has("ms"))' "$T/x1.ckpt/trace.jsonl" >/dev/null
}

# --- engines --------------------------------------------------------------------------------------------------------

@test "engine background: memory and disks are of one instant" {
    GUEST_WORDS='ws=32M rate=40M' boot
    aligned --engine background
    assert_equal "$(field .engine)" background
}

@test "engine stop: memory and disks are of one instant" {
    boot
    aligned --engine stop
    assert_equal "$(field .engine)" stop
}

# bats test_tags=qemu9
@test "engine precopy: memory and disks are of one instant" {
    require 'qemu>=9' "precopy under TCG loses writes before QEMU 9.0"
    GUEST_WORDS='ws=32M rate=40M' boot
    aligned --engine precopy
    assert_equal "$(field .engine)" precopy
    # fast enough to converge by itself, so its first look at the disks was within the tight limit
    assert_equal "$(field '.pause_ms > 0')" true
}

@test "memory and disks are of one instant, however slow each step is" {
    local engine engines=(background stop) slow=()
    [ "$(qemu_major)" -lt 9 ] || engines+=(precopy)
    # A guest that runs between two steps where it must not shows itself.
    for step in stop transaction migrate migrate-continue query-migrate:2 query-migrate:3 cont; do slow+=("$step=delay:120"); done
    for engine in "${engines[@]}"; do
        boot
        between "${slow[@]}"
        SOCKET=$T/fake.qmp aligned --engine "$engine"
        vm_kill again
        rm -rf "$T"/x1.ckpt "$T"/*.ovl "$T"/*.run "$T"/*.serial "$T"/a.qcow2 "$T"/b.img
    done
}

# bats test_tags=qemu9
@test "engine precopy: a guest that dirties faster than the pipe is, ends all the same" {
    require 'qemu>=9' "precopy under TCG loses writes before QEMU 9.0"
    GUEST_WORDS='ws=16M rate=100M' boot
    aligned --engine precopy --max-bandwidth 40M --passes 2
}

@test "engine precopy: refused where it loses writes, unless that is accepted" {
    [ "$(qemu_major)" -lt 9 ] || skip "precopy is safe on this QEMU"
    boot
    local facts
    facts=$(vm_facts)
    trigger 3 --engine precopy
    says "no precopy of this VM: under TCG, QEMU before 9.0 loses guest writes in precopy (this is 7.2)"
    says "hint: --engine background or stop is safe; --accept-unsafe-precopy"
    as_before "$facts"
    trigger 0 --engine precopy --accept-unsafe-precopy --json
    says "warning: under TCG, QEMU before 9.0 loses guest writes in precopy (this is 7.2): the checkpoint's memory may be wrong"
    assert_equal "$(jq -r .engine <<<"$output")" precopy
    vm_assert_counting vm 12
}

@test "engine auto says why, and the manifest has prediction and outcome" {
    boot
    trigger 0 --json
    json=$output
    assert_equal "$(field .engine)" background
    if [ "$(qemu_major)" -lt 9 ]; then
        says "engine background: no precopy: under TCG, QEMU before 9.0 loses guest writes in precopy (this is 7.2)"
    else
        says "engine background: its predicted pause is the shorter one (background "
    fi
    assert_equal "$(field '.prediction | [.pause_ms, .outcome_ms, .background_ms, .stop_ms] | map(type) | unique[]')" number
    assert_equal "$(field .prediction.outcome_ms)" "$(field .pause_ms)"
}

@test "engine auto, QEMU may not use userfaultfd: it says so, and what it takes instead works" {
    require root "a VM of another user is needed"
    [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 0 ] || skip "userfaultfd is open to all users here"
    local other=nobody least most
    setpriv --reuid "$other" --clear-groups test -r "$GUEST" || skip "user $other cannot read the test VM"
    chmod 711 "$T"
    mkdir "$T/theirs"
    make_disk "$T/theirs/a.qcow2" qcow2 16M
    make_disk "$T/theirs/b.img" raw 16M
    chown -R "$other" "$T/theirs"
    vm_launch_as() {
        vm_launch vm setpriv --reuid "$other" --regid nogroup --clear-groups "$QEMU" -nodefaults -display none -no-reboot \
            -kernel "$GUEST" -append 'ws=16M rate=8M' -m 128M \
            -drive "file=$T/theirs/a.qcow2,format=qcow2,if=virtio,id=drive0" \
            -drive "file=$T/theirs/b.img,format=raw,if=ide,id=drive1" \
            -serial "file:$T/theirs/vm.serial" -qmp "unix:$T/theirs/vm.qmp,server=on,wait=off"
    }
    ln -s theirs/vm.serial "$T/vm.serial"
    ln -s theirs/vm.qmp "$T/vm.qmp"
    vm_launch_as
    vm_wait_count vm 5
    run_tool 3 "$BIN/mplcr-trigger" -s "$T/vm.qmp" --engine background
    says "no background snapshot of this VM: "
    says "hint: it needs root, vm.unprivileged_userfaultfd=1 or access to /dev/userfaultfd for QEMU"
    least=$(vm_count vm)
    trigger 0 --name x1 --json
    json=$output
    most=$(vm_count vm)
    if [ "$(qemu_major)" -lt 9 ]; then
        assert_equal "$(field .engine)" stop
    else
        assert_equal "$(field .engine)" precopy
    fi
    says "engine $(field .engine): no background snapshot: "
    # The VM writes to the overlays as its own user.
    assert_equal "$(stat -c '%U %a' "$T/theirs/a_x1.ovl" "$T/theirs/b_x1.ovl" | xargs)" "$other 600 $other 600"
    vm_assert_counting vm 20
    vm_kill vm
    rm "$T/vm.serial" "$T/theirs/vm.qmp"
    load_checkpoint again "$T/theirs/x1.ckpt" "${restored[@]}"
    goes_on_from again "$least" "$most"
}

@test "mplcr-restore starts what each engine saved, all at once" {
    require tool:mplcr-restore "the other half"
    boot
    local engine count=() engines=(background stop)
    [ "$(qemu_major)" -lt 9 ] || engines+=(precopy)
    for engine in "${engines[@]}"; do
        trigger 0 --engine "$engine" --name "$engine"
        count+=("$(vm_count vm)")
    done
    for engine in "${engines[@]}"; do
        run_tool 0 "$BIN/mplcr-restore" "$T/$engine.ckpt" --json
        json=$output
        vm_adopt "$engine" "$(field .pid)"
        vm_running "$(field .qmp)"
        ln -s "$(find "$T" -path "*/$engine.run-*" -name '*.serial')" "$T/$engine.serial"
        goes_on_from "$engine" 5 "${count[0]}"
        count=("${count[@]:1}")
    done
    vm_assert_counting vm 8
}

# --- layouts --------------------------------------------------------------------------------------------------------

@test "layout stream: one file that QEMU reads as it is" {
    boot
    aligned --layout stream
    assert_equal "$(field .layout)" stream
    assert_equal "$(stat -c %a "$T/x1.ckpt/state.vmstate")" 600
    [ ! -e "$T/x1.ckpt/ram" ]
    assert_equal "$(field .state_bytes)" "$(stat -c %s "$T/x1.ckpt/state.vmstate")"
}

@test "layout stream, compressed" {
    boot
    aligned --layout stream --compress zstd:1
    zstd -qt "$T/x1.ckpt/state.vmstate.zst"
    assert_equal "$(zstd -qdc "$T/x1.ckpt/state.vmstate.zst" | wc -c)" "$(field .state_bytes)"
}

@test "layout pages: zero pages are holes" {
    boot
    trigger 0
    assert_equal "$(stat -c %s "$T/x1.ckpt/ram/pc.ram")" $((128 << 20))
    (($(stat -c '%b * %B' "$T/x1.ckpt/ram/pc.ram") < 48 << 20)) || fail "pc.ram takes $(du -h "$T/x1.ckpt/ram/pc.ram")"
}

# --- the VM's own settings ------------------------------------------------------------------------------------------

@test "capabilities and parameters are put back, unusual ones too, by every engine" {
    local facts engine n=0 engines=(background stop)
    [ "$(qemu_major)" -lt 9 ] || engines+=(precopy)
    boot
    qmp vm migrate-set-capabilities 'capabilities=[{"capability": "xbzrle", "state": true},
        {"capability": "auto-converge", "state": true}]' >/dev/null
    qmp vm migrate-set-parameters max-bandwidth=123456789 downtime-limit=777 xbzrle-cache-size=8388608 >/dev/null
    settings() { qmp vm query-migrate-capabilities | jq -cS .; qmp vm query-migrate-parameters | jq -cS .; }
    facts=$(settings)
    for engine in "${engines[@]}"; do
        n=$((n + 1))
        trigger 0 --engine "$engine"
        assert_equal "$output" "$T/x$n.ckpt"
        assert_equal "$(settings)" "$facts"
    done
    vm_assert_counting vm 12
}

# --- one after the other --------------------------------------------------------------------------------------------

@test "a chain of checkpoints: snap_01.ovl, snap_x1.ovl, snap_x2.ovl, each with its parent, each restores" {
    local n count=()
    make_disk "$T/base.img" raw 16M
    qemu-img create -q -f qcow2 -F raw -b "$T/base.img" "$T/snap_01.ovl"
    vm_start vm -m 128M -drive "file=$T/snap_01.ovl,format=qcow2,if=virtio,id=drive0"
    for n in 1 2 3; do
        vm_wait_count vm +5
        trigger 0 --json
        json=$output
        count[n]=$(vm_count vm)
        assert_equal "$(field .name)" "x$n"
        assert_equal "$(field '.disks[0].active')" "$T/snap_x$n.ovl"
        assert_equal "$(field .parent)" "$([[ $n == 1 ]] && echo null || echo "x$((n - 1))")"
        assert_equal "$(field '.disks[0].device')" drive0
        assert_equal "$(field '.disks[0].chain | length')" $((n + 1))
    done
    assert_equal "$(field '.disks[0].chain[].path' | xargs)" "$T/snap_x2.ovl $T/snap_x1.ovl $T/snap_01.ovl $T/base.img"
    vm_assert_counting vm 12
    vm_kill vm
    for n in 2 1 3; do
        load_checkpoint "again$n" "$T/x$n.ckpt" -m 128M -drive 'file={drive0},format=qcow2,if=virtio,id=drive0'
        goes_on_from "again$n" 5 "${count[n]}"
        vm_kill "again$n"
    done
}

@test "a VM that was restored lazily is checkpointed again, and that restores too" {
    boot
    local least most disk=$BATS_TEST_TMPDIR # rather a disk than tmpfs, where QEMU can write-protect a mapped file
    trigger 0 --dir "$disk"
    vm_kill vm
    load_checkpoint vm "$disk/x1.ckpt" "${restored[@]}"
    vm_wait_count vm +5
    least=$(vm_count vm)
    trigger 0 --name y --dir "$T" --json
    json=$output
    most=$(vm_count vm)
    if [ "$(stat -f -c %T "$disk")" != tmpfs ]; then
        says "engine $(field .engine): no background snapshot: "
        says "Background-snapshot is not compatible with guest memory configuration"
        if [ "$(qemu_major)" -lt 9 ]; then
            assert_equal "$(field .engine)" stop
        else
            assert_equal "$(field .engine)" precopy
        fi
    fi
    vm_assert_counting vm 12
    vm_kill vm
    load_checkpoint again "$T/y.ckpt" "${restored[@]}"
    goes_on_from again "$least" "$most"
}

# --- paused VMs -----------------------------------------------------------------------------------------------------

@test "a paused VM stays paused" {
    boot
    qmp vm stop >/dev/null
    sleep 0.1
    local count engine
    count=$(vm_count vm)
    trigger 0 --json
    json=$output
    assert_equal "$(vm_status "$T/vm.qmp")" paused
    assert_equal "$(field .run_state)" paused
    if [ "$(qemu_major)" -lt 9 ]; then
        assert_equal "$(field .engine)" stop
    else
        assert_equal "$(field .engine)" background
    fi
    for engine in stop $([ "$(qemu_major)" -lt 9 ] || echo background precopy); do
        trigger 0 --engine "$engine"
        assert_equal "$engine $(vm_status "$T/vm.qmp")" "$engine paused"
    done
    qmp vm cont >/dev/null
    vm_assert_counting vm 12
    vm_kill vm
    load_checkpoint again "$T/x1.ckpt" "${restored[@]}"
    goes_on_from again "$count" $((count + 1))
}

@test "a VM that was started with -S, and never ran, survives, and is not left running" {
    make_disk "$T/a.qcow2" qcow2 16M
    "$QEMU" -nodefaults -display none -S -kernel "$GUEST" -append ws=16M -m 128M \
        -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0" -serial "file:$T/vm.serial" \
        -qmp "unix:$T/vm.qmp,server=on,wait=off" </dev/null >"$T/vm.log" 2>&1 3>&- &
    echo $! >"$T/vm.pid"
    vm_wait_monitor vm
    trigger 3 --engine background # measured on 10.0: "invalid runstate transition", and QEMU aborts
    says "no background snapshot of this VM: the VM has never run; a snapshot would crash QEMU"
    trigger 0 --json
    assert_equal "$(jq -r '.engine + " " + .run_state' <<<"$output")" "stop prelaunch"
    run vm_running "$T/vm.qmp"
    assert_failure
    qmp vm cont >/dev/null
    vm_wait_line "$T/vm.serial" '^READY '
    vm_assert_counting vm 12
}

@test "--leave-paused: the VM stands at the instant of the checkpoint, and goes on from there when told" {
    local engine n=0 engines=(auto stop)
    boot
    if [ "$(qemu_major)" -lt 9 ]; then
        trigger 3 --leave-paused --engine background
        says "QEMU before 9.0 resumes the VM after a background snapshot, but it is to stay paused"
        says "hint: --engine stop keeps it paused"
        nothing_left
    else
        engines+=(background precopy)
    fi
    for engine in "${engines[@]}"; do
        n=$((n + 1))
        trigger 0 --leave-paused --engine "$engine"
        run vm_running "$T/vm.qmp"
        assert_failure
        # Nothing was written since: its overlays are empty.
        assert_equal "$engine $(qemu-img map -U --output=json "$T/a_x$n.ovl" | jq '[.[] | select(.depth == 0)] | length')" "$engine 0"
        qmp vm cont >/dev/null
        vm_assert_counting vm 12
    done
}

# --- bounds ---------------------------------------------------------------------------------------------------------

@test "--max-pause: gives up, and the VM runs as before (stop)" {
    boot
    local facts
    facts=$(vm_facts)
    trigger 3 --engine stop --max-pause 1 --max-bandwidth 20M
    says "mplcr-trigger: gave up: the pause would be longer than 1 ms"
    says "hint: allow more with --max-pause, or take another engine"
    as_before "$facts"
}

# bats test_tags=qemu9
@test "--max-pause: gives up, and the VM was never paused (precopy)" {
    require 'qemu>=9' "precopy under TCG loses writes before QEMU 9.0"
    GUEST_WORDS='ws=16M rate=100M' boot
    local facts
    facts=$(vm_facts)
    trigger 3 --engine precopy --max-pause 2 --max-bandwidth 20M --passes 1
    says "mplcr-trigger: gave up "
    says "hint: allow more with --max-pause, or take another engine"
    as_before "$facts"
}

@test "--timeout: gives up in time, and the VM runs as before" {
    boot
    local facts engine engines=(stop)
    [ "$(qemu_major)" -lt 9 ] || engines+=(precopy)
    facts=$(vm_facts)
    for engine in "${engines[@]}"; do
        trigger 3 --engine "$engine" --timeout 2 --max-bandwidth 1M
        assert_regex "$stderr" "the time limit is over|QEMU did not answer '[a-z-]*' in time"
        as_before "$facts"
    done
    # QEMU does not bound the bandwidth of a background snapshot, so here it is slow to answer.
    between query-migrate:2=delay:1500
    run_tool 3 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine background --timeout 1
    says "QEMU did not answer 'query-migrate' in time"
    kill_and_wait "$(<"$T/fake.pid")"
    rm "$T/fake.pid" "$T/fake.qmp"
    as_before "$facts"
}

# --- asking first ---------------------------------------------------------------------------------------------------

@test "--dry-run checks and tells everything and changes nothing" {
    boot
    local facts
    qmp vm migrate-set-capabilities 'capabilities=[{"capability": "auto-converge", "state": true}]' >/dev/null
    facts=$(vm_facts)
    trigger 0 --dry-run
    assert_equal "$(grep -v '^predicted_pause_ms [0-9]*$' <<<"$output")" "checkpoint $T/x1.ckpt
engine background
freeze drive0 $T/a.qcow2
overlay drive0 $T/a_x1.ovl
freeze drive1 $T/b.img
overlay drive1 $T/b_x1.ovl"
    trigger 0 --dry-run --json
    json=$output
    assert_equal "$(field '[.schema, .dry_run, .name, .engine, .memory_as_of, .checkpoint] | join(" ")')" \
        "mplcr.trigger.plan/1 true x1 background start $T/x1.ckpt"
    assert_equal "$(field '.disks[] | "\(.device) \(.frozen) \(.active)"')" \
        "drive0 $T/a.qcow2 $T/a_x1.ovl"$'\n'"drive1 $T/b.img $T/b_x1.ovl"
    as_before "$facts"
}
