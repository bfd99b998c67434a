#!/usr/bin/env bats
# qemu: 10
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
# bats file_tags=qemu9
#
# mplcr-trigger and the MPLCR-patched QEMU: its engine, on the stand-in, or with MPLCR_QEMU=PATH (make check-mplcr) on
# the genuine one; see mplcr.bash. The traps of that QEMU are in mplcr-traps.bats.

load helpers
load trigger
load mplcr
load filesystems

setup() { scratch_begin; }
teardown() {
    fs_end
    scratch_end
}

# --- which engine ---------------------------------------------------------------------------------------------------

@test "auto takes it where neither background nor precopy is there, and only there" {
    standin_only "under TCG, auto does not take the genuine one's"
    patched_boot
    trigger 0 --json
    assert_equal "$(jq -r .engine <<<"$output")" mplcr
    says "engine mplcr: no background snapshot: "
    assert_equal "$(active)" "$T/a_x1.ovl $T/b_x1.ovl"
    vm_kill vm
    STANDIN='--capabilities all' patched_start vm -m 64M -drive "file=$T/a_x1.ovl,format=qcow2,if=ide"
    trigger 0 --dry-run --json
    assert_regex "$(jq -r .engine <<<"$output")" '^(background|precopy)$'
    trigger 0 --dry-run --json --engine mplcr
    assert_equal "$(jq -r .engine <<<"$output")" mplcr
}

@test "a QEMU without the patch: refused, and what is missing is named" {
    local facts command option
    boot
    facts=$(vm_facts)
    trigger 3 --engine mplcr
    says "no engine mplcr: this QEMU lacks the MPLCR patch: it has no "
    for command in live-checkpointing-enable live-checkpointing-disable set-mplm-migration set-mplm-extend-live set-mplm-end-live \
        enable-max-migration-rate-limit mplcr-post-checkpointing-script; do
        says "$command"
    done
    for option in --mplm=dirty=20 --max-rate --extend-live --uri=tcp:127.0.0.1:9; do
        trigger 3 "$option"
        says "lacks the MPLCR patch"
    done
    # half a patch is none, and only the other half is named
    between query-commands:0='return:[{"name": "live-checkpointing-enable"}, {"name": "set-mplm-migration"}]'
    SOCKET=$T/fake.qmp trigger 3 --engine mplcr
    says "it has no live-checkpointing-disable, set-mplm-extend-live"
    as_before "$facts"
}

@test "under TCG, 2.9 loses guest writes: said, where it is asked for; auto stops the VM instead" {
    standin_only "the genuine QEMU may have KVM"
    STANDIN='--version 2.9.0' patched_boot
    trigger 0 --json
    assert_equal "$(jq -r .engine <<<"$output")" stop
    says "no mplcr: under TCG, QEMU before 9.0 loses guest writes in its live stage (this is 2.9)"
    vm_assert_counting vm 6
    trigger 0 --engine mplcr --json
    says "warning: under TCG, QEMU before 9.0 loses guest writes"
    assert_equal "$(jq -r .engine <<<"$output")" mplcr
    vm_assert_counting vm 6
}

@test "under TCG, an extended live stage of 2.9 saves wrong memory: refused, unless that is accepted" {
    local facts options
    standin_only "the genuine QEMU may have KVM"
    STANDIN='--version 2.9.0' patched_boot
    facts=$(vm_facts)
    for options in "--extend-live" "--extend-live 1" "--engine mplcr --extend-live --disks none 1" "--extend-live --dry-run"; do
        # shellcheck disable=SC2086
        trigger 3 $options
        says "--extend-live: under TCG, QEMU before 9.0 loses guest writes in its live stage (this is 2.9)"
        says "--accept-unsafe-precopy takes the risk"
    done
    as_before "$facts"
    trigger 0 --extend-live --accept-unsafe-precopy 0.2
    says "warning: under TCG, QEMU before 9.0 loses guest writes"
    vm_assert_counting vm 6
}

# --- the sequence ---------------------------------------------------------------------------------------------------

# paces CKPT: the highest bandwidth that was set for it.
paces() { sent "$1" migrate-set-parameters | head -n -1 | sed -n 's/.*max-bandwidth:\([0-9]*\).*/\1/p' | sort -n | tail -n 1; }

@test "two disks and memory of one instant, with nothing but --engine; all is put back; it restores" {
    local least most before
    MEMORY=528M GUEST_WORDS='ws=16M rate=30M' patched_boot # more than what is sent in the pause in any case
    qmp vm migrate-set-parameters max-bandwidth=123456789 downtime-limit=777 >/dev/null
    before=$(settings)
    least=$(vm_count vm)
    mplcr 0 --json
    json=$output
    most=$(vm_count vm)
    assert_equal "$(field '[.engine, .layout, .run_state, .receiver] | join(" ")')" "mplcr pages running "
    assert_equal "$(field '.pause_ms > 0 and .pause_ms < .total_ms and .state_bytes > 1000000')" true
    assert_equal "$(field '.disks[] | "\(.device) \(.frozen) \(.active)"' | xargs)" \
        "ide0-hd0 $T/a.qcow2 $T/a_x1.ovl ide0-hd1 $T/b.img $T/b_x1.ovl"
    says "x1: pause "
    says "engine mplcr"
    assert_equal "$(active)" "$T/a_x1.ovl $T/b_x1.ovl"
    assert_equal "$(settings)" "$before"
    vm_assert_counting vm 12

    # the order that works
    sent "$T/x1.ckpt" >"$T/fake.sent"
    in_order "$T/fake.sent" <<<$'^query-block$\n^query-commands$\n^getfd$\n^human-monitor-command$\n^human-monitor-command$\n^live-checkpointing-enable$\n^migrate$\n^live-checkpointing-disable$\n^query-block$'
    sent "$T/x1.ckpt" human-monitor-command | grep -q 'snapshot_blkdev_mplcr .*ide0-hd0.* qcow2'
    events "$T/x1.ckpt" >"$T/fake.events"
    in_order "$T/fake.events" <<<$'^MIGRATION setup$\n^MIGRATION_PASS 1$\n^MIGRATION active$\n^MIGRATION_PASS [0-9]+$\n^STOP $\n^MIGRATION completed$\n^RESUME $'
    assert_equal "$(paces "$T/x1.ckpt")" 200000000
    mplcr 0 --max-bandwidth 40M
    assert_equal "$(paces "$T/x2.ckpt")" $((40 << 20))
    assert_equal "$(settings)" "$before"
    switched_off
    [ ! -e "$T/vm.qmp.mplcr" ]

    vm_kill vm
    restored "$least" "$most"
    vm_kill again
    restored "$least" "$most" --eager
    qemu-img check -q "$T/a_x1.ovl"
    qemu-img check -q "$T/b_x1.ovl"
}

@test "two checkpoints in a row at the maximum rate: QEMU prints what it should, and the chain is whole" {
    local x
    make_disk "$T/base.qcow2" qcow2 16M
    qemu-img create -f qcow2 -F qcow2 -b "$T/base.qcow2" "$T/mplcr_snap_01.ovl" >"$T/printed"
    GUEST_WORDS=$quiet patched_start vm -m 64M -drive "file=$T/mplcr_snap_01.ovl,format=qcow2,if=ide"
    vm_wait_count vm 5
    # of a QEMU that has ended: it counts no more
    mkdir -m 711 "$T/vm.qmp.mplcr"
    echo '{"pid": 1, "started": 1, "script": true, "queue": [{"device": "ide0-hd0", "file": "/x"}]}' >"$T/vm.qmp.mplcr/state.json"
    for x in x1 x2; do
        mplcr 0 --name $x --max-rate --device "ide0-hd0=$T/mplcr_snap_$x.ovl"
        vm_assert_counting vm 6
    done
    cat "$T/vm.log" >>"$T/printed"
    {
        echo "^Formatting '.*/mplcr_snap_01.ovl', fmt=qcow2 .*backing_file=.*"
        printed ide0-hd0 mplcr_snap_x1.ovl mplcr_snap_01.ovl
        printed ide0-hd0 mplcr_snap_x2.ovl mplcr_snap_x1.ovl
    } | in_order "$T/printed"
    assert_equal "$(jq -r .parent "$T/x2.ckpt/checkpoint.json")" x1
    # setting a bandwidth takes the maximum rate away, so that comes first
    sent "$T/x2.ckpt" >"$T/fake.sent"
    in_order "$T/fake.sent" <<<$'^migrate-set-parameters$\n^enable-max-migration-rate-limit$\n^migrate$\n^disable-max-migration-rate-limit$'
    vm_kill vm
    assert_equal "$(qemu-img info --backing-chain --output=json "$T/mplcr_snap_x2.ovl" | jq -r '.[].filename | sub(".*/"; "")' | xargs)" \
        "mplcr_snap_x2.ovl mplcr_snap_x1.ovl mplcr_snap_01.ovl base.qcow2"
    [ ! -x "$BIN/mplcr-chain" ] || run_tool 0 "$BIN/mplcr-chain" verify "$T/mplcr_snap_x2.ovl"
}

@test "options that are none are refused before QEMU is asked" {
    local bad
    for bad in '' , interval interval= interval=x interval=-1 interval=3s interval=3601 interval=99999999999999999999 \
        dirty=0 dirty=100 dirty=101 dirty=50% dirty=0x10 relax=1 relax=yes relax= first-nondirty=ON first-nondirty \
        firstnondirty=on first_nondirty=on dirty=50, ,dirty=50 dirty=50,,relax=on 'dirty=50 relax=on' nonsense=1; do
        trigger 2 --mplm "$bad"
        says "--mplm"
    done
    for bad in tcp tcp: tcp:host tcp:host: tcp::80 tcp:host:0 tcp:host:65536 tcp:host:x unix:/x cptcp:host:80; do
        trigger 2 --uri "$bad"
        says "--uri"
    done
    trigger 2 --mplm dirty=50 --engine stop
    says "--mplm goes with --engine mplcr"
    trigger 2 --max-rate --max-bandwidth 10M
    for bad in 0 -1 soon; do trigger 2 --extend-live -- "$bad"; done
    trigger 2 --extend-live 3 4
    trigger 2 30
    trigger 2 --at-freeze ''
    trigger 2 --at-freeze true --at-freeze-timeout 0
}

@test "--mplm: all of it reaches QEMU, for this checkpoint only" {
    patched_boot
    mplcr 0 --mplm interval=2,dirty=70,relax=off,first-nondirty=off
    assert_equal "$(sent "$T/x1.ckpt" set-mplm-migration | head -n 1)" \
        "{enable:true,firstnondirty:false,intervaltime:2,relaxlivemig:false,dirtypercents:70}"
    in_order "$T/vm.log" <<<$'^MPLM: flag = 1, mplm_interval = 2$\n^Performaing MPLM WITHOUT firstnondirty flag interval 2 and relax = 0$\n^ with 70 percents of dirty pages per cycle$'
    # what is not said is as it is without the option
    mplcr 0 --mplm dirty=20
    assert_equal "$(sent "$T/x2.ckpt" set-mplm-migration | head -n 1)" \
        "{enable:true,firstnondirty:true,intervaltime:3,relaxlivemig:true,dirtypercents:20}"
    mplcr 0 --layout stream --compress zstd
    in_order "$T/vm.log" <<<$'^ with 70 percents\n^ with 20 percents\n^MPLM: flag = 1, mplm_interval = 3$\n^Performing MPLM with firstnondirty flag and interval 3 and relax = 1$\n^ with 50 percents'
    assert_equal "$(sent "$T/x3.ckpt" | grep -cE 'max-migration-rate-limit|extend-live|end-live')" 0
    vm_assert_counting vm 6
}

# --- a live stage that the user ends --------------------------------------------------------------------------------

# live_since NTH: the checkpoint in the background is in its live stage, the NTH of the VM, and stays there.
live_since() {
    log_wait "out migrate_init" "$1"
    sleep 0.3
    kill -0 "$mplcr_pid" || fail "it ended by itself: $(<"$T/fake.said")"
    vm_assert_counting vm 4
}

end_live() { run_tool "$1" "$BIN/mplcr-trigger" end-live --socket "${2:-$T/vm.qmp}"; }

@test "--extend-live: until end-live, SIGUSR1, the first SIGINT, or so many seconds" {
    local n=0 way least
    patched_boot
    for way in call USR1 INT; do
        mplcr_begin --extend-live
        live_since $((++n))
        if [[ $way == call ]]; then end_live 0; else kill -"$way" "$mplcr_pid"; fi
        mplcr_ends 0
        [ -d "$T/x$n.ckpt" ]
        sent "$T/x$n.ckpt" >"$T/fake.sent"
        in_order "$T/fake.sent" <<<$'^set-mplm-extend-live$\n^migrate$\n^set-mplm-end-live$\n^live-checkpointing-disable$'
    done
    rm -rf "$T/x1.ckpt"
    least=$(vm_count vm)
    mplcr 0 --json --name y --extend-live 1
    json=$output
    assert_equal "$(field '.total_ms >= 1000')" true
    assert_equal "$(active)" "$T/a_y.ovl $T/b_y.ovl"
    mv "$T/y.ckpt" "$T/x1.ckpt"
    switched_off
    vm_kill vm
    restored "$least" 100000
}

@test "end-live where no live stage is extended" {
    patched_boot
    end_live 3
    says "no checkpoint of the VM of '$T/vm.qmp' is in an extended live stage"
    end_live 3 "$T/none"
    run_tool 2 "$BIN/mplcr-trigger" end-live
    says "--socket is missing"
    run_tool 2 "$BIN/mplcr-trigger" end-live --socket "$T/vm.qmp" 30
    # one of another VM's is not ended
    GUEST_WORDS=$quiet patched_start other -m 64M
    mplcr_begin --extend-live
    live_since 1
    end_live 3 "$T/other.qmp"
    live_since 1
    end_live 0
    mplcr_ends 0
    end_live 3
}

# live_stage [COMMAND…]: an extended live stage, in which the command is run, and which end-live ends; its files are gone.
live_stage() {
    mplcr_begin --extend-live
    live_since $((++stages))
    "$@"
    end_live 0 "${SOCKET:-$T/vm.qmp}"
    mplcr_ends 0
    [ ! -e "${SOCKET:-$T/vm.qmp}.live" ]
}

@test "end-live: its socket beside the QMP socket is its user's alone; one left over, one in the way, a long path" {
    local stages=0 long SOCKET
    patched_boot
    beside() {
        assert_equal "$(stat -c '%F %a' "$T/vm.qmp.live")" "socket 600"
        run ! grep -F "mplcr-live-$(printf '%x-%x' "$(stat -c %d "$T/vm.qmp")" "$(stat -c %i "$T/vm.qmp")")" /proc/net/unix
        ln "$T/vm.qmp.live" "$T/left.live"
    }
    live_stage beside
    mv "$T/left.live" "$T/vm.qmp.live"
    live_stage true
    echo mine >"$T/vm.qmp.live"
    mplcr_begin --extend-live
    live_since $((++stages))
    end_live 3
    kill -USR1 "$mplcr_pid"
    mplcr_ends 0
    says "warning: end-live cannot end this live stage, SIGUSR1 to process $mplcr_pid can: '$T/vm.qmp.live' is not a socket"
    assert_equal "$(<"$T/vm.qmp.live")" mine
    long=$T/$(printf 'd%.0s' {1..120})
    mkdir "$long"
    ln "$T/vm.qmp" "$long/"
    cd "$long"
    SOCKET=vm.qmp live_stage true
}

@test "end-live: another user who answers is not believed" {
    local i
    require root "it takes the place of another user"
    mkdir -m 777 "$T/open"
    cd "$T/open"
    : >fake.log
    fake
    mv "$T/fake.qmp" vm.qmp
    setpriv --reuid 65534 --clear-groups "$FAKE_QMP" ./vm.qmp.live </dev/null >fake.log 2>&1 3>&- &
    echo $! >"$T/other.pid"
    for ((i = 0; i < 1000; i++)); do
        [[ ! -S vm.qmp.live ]] || break
        sleep 0.01
    done
    end_live 3 vm.qmp
    says "another user answers for the VM of 'vm.qmp'"
}

@test "an extended live stage that is given up: by --timeout, SIGTERM, SIGHUP, SIGKILL" {
    local facts way n=0
    patched_boot
    facts=$(vm_facts)
    for way in TERM HUP KILL; do
        mplcr_begin --extend-live
        log_wait "out migrate_init" $((++n))
        kill -"$way" "$mplcr_pid"
        if [[ $way == KILL ]]; then wait_all_gone; else mplcr_ends 3; fi
        if [[ $way == TERM ]]; then says interrupted; fi
    done
    mplcr 3 --extend-live --timeout 3
    says "the time limit is over"
    rm -rf "$T/vm.qmp.mplcr"
    as_before "$facts"
    switched_off
}

# --- a command in the pause -----------------------------------------------------------------------------------------

@test "--at-freeze: the command freezes the disks itself, in the pause; what it says is shown; QEMU keeps the script" {
    local least most
    patched_boot
    least=$(vm_count vm)
    # shellcheck disable=SC2016
    mplcr 0 --disks none --at-freeze 'while read -r f; do cp -- "$f" "$f.frozen"; echo "copied $f"; done; pwd; echo oops >&2'
    most=$(vm_count vm)
    says "at-freeze: copied $T/a.qcow2"
    says "at-freeze: copied $T/b.img"
    says "at-freeze: $PWD"
    says "at-freeze: oops"
    assert_equal "$(active)" "$T/a.qcow2 $T/b.img"
    vm_assert_counting vm 6
    sent "$T/x1.ckpt" >"$T/fake.sent"
    in_order "$T/fake.sent" <<<$'^live-checkpointing-enable$\n^mplcr-post-checkpointing-script$\n^migrate$\n^live-checkpointing-disable$'
    assert_equal "$(sent "$T/x1.ckpt" human-monitor-command | grep -c snapshot)" 0

    # the script stays in that QEMU, and does nothing without a command of ours
    mplcr 3
    says "this QEMU process was given a command for the pause before"
    assert_equal "$(active)" "$T/a.qcow2 $T/b.img"
    mplcr 0 --disks none
    mplcr 0 --disks none --at-freeze "echo third >'$T/third'"
    assert_equal "$(<"$T/third")" third
    vm_assert_counting vm 6

    # the copies belong to the memory that was saved with them
    vm_kill vm
    run_tool 0 "$BIN/mplcr-restore" --eager --json "$T/x1.ckpt" -- "$T/patched" -nodefaults -display none -m 64M -kernel "$GUEST" \
        -append "$quiet" -serial "file:$T/again.serial" -drive "file=$T/a.qcow2.frozen,format=qcow2,if=ide" \
        -drive "file=$T/b.img.frozen,format=raw,if=ide"
    vm_adopt again "$(jq -r .pid <<<"$output")"
    goes_on_from again "$least" "$most"
}

@test "--at-freeze: a command that fails, or takes too long, fails the checkpoint; beside overlays it is refused" {
    local facts
    patched_boot
    facts=$(vm_facts)
    mplcr 3 --at-freeze true
    says "either makes overlays or runs a command in the pause, not both"
    says "hint: --at-freeze goes with --disks none there, or reflink, or subvolume"
    assert_equal "$(grep -c . "$T/vm.log")" 0
    mplcr 3 --disks none --at-freeze 'echo it went wrong; exit 7'
    says "it went wrong"
    nothing_left
    mplcr 3 --disks none --at-freeze 'sleep 100' --at-freeze-timeout 0.5 # more than it is given to run
    says "did not end in time"
    mplcr 3 --disks none --at-freeze 'no-such-command'
    mplcr 3 --disks none --at-freeze 'kill -9 $$'
    nothing_left
    rm -rf "$T/vm.qmp.mplcr"
    as_before "$facts"
    switched_off
}

@test "reflink, subvolume, --include, --at-freeze: QEMU waits in its pause until all is cloned; the chain does not grow" {
    local least most mode
    fs_mount btrfs "$T/m"
    btrfs -q subvolume create "$T/m/vm"
    make_disk "$T/m/vm/a.qcow2" qcow2 16M
    make_disk "$T/m/vm/b.img" raw 16M
    echo vars >"$T/vars.fd"
    GUEST_WORDS=$quiet patched_start vm -m 64M -drive "file=$T/m/vm/a.qcow2,format=qcow2,if=ide" -drive "file=$T/m/vm/b.img,format=raw,if=ide"
    vm_wait_count vm 5
    mplcr 3 --include "$T/vars.fd"
    says "hint: --include goes with --disks none there, or reflink, or subvolume"
    for mode in reflink subvolume; do
        least=$(vm_count vm)
        # shellcheck disable=SC2016
        mplcr 0 --name $mode --disks $mode --include "$T/vars.fd" --at-freeze 'while read -r f; do cp -- "$f" "$T/"; done; echo "$MPLCR_AT_FREEZE"'
        most=$(vm_count vm)
        says "at-freeze: 1"
        assert_equal "$(active)" "$T/m/vm/a.qcow2 $T/m/vm/b.img"
        cmp "$T/b.img" "$T/m/vm/$mode.ckpt/disks/b.img"
        assert_equal "$(<"$T/m/vm/$mode.ckpt/include/vars.fd")" vars
        run_tool 0 mplcr-restore --json --dir "$T" "$T/m/vm/$mode.ckpt"
        vm_adopt again "$(jq -r .pid <<<"$output")"
        ln -sf "$(jq -r .dir <<<"$output")/vm.serial" "$T/again.serial"
        goes_on_from again "$least" "$most"
        vm_kill again
    done
    # killed while QEMU waits: it goes on at once, and nothing is left
    mplcr_begin --disks reflink --at-freeze "echo >'$T/fake.there'; sleep 20" --at-freeze-timeout 30
    until [[ -e $T/fake.there ]]; do sleep 0.02; done
    kill_and_wait "$mplcr_pid"
    wait_all_gone
    assert_equal "$(find "$T/m" -name '*.partial')" ''
    vm_assert_counting vm 6
    mplcr 3 --disks reflink --at-freeze 'exit 3'
    mplcr 0 --disks reflink --name last
    assert_equal "$(jq -r .parent "$T/m/vm/last.ckpt/checkpoint.json")" subvolume
    vm_assert_counting vm 6
}

@test "a script of somebody else's in QEMU: no overlay is made, and the checkpoint knows" {
    local facts
    patched_boot
    qmp vm live-checkpointing-enable >/dev/null
    qmp vm mplcr-post-checkpointing-script "uri=/bin/true" >/dev/null
    qmp vm live-checkpointing-disable >/dev/null
    mplcr 3
    says "$T/a.qcow2"
    assert_equal "$(active)" "$T/a.qcow2 $T/b.img"
    nothing_left
    vm_assert_counting vm 6
    switched_off
}

# --- into a receiver ------------------------------------------------------------------------------------------------

# receiver_start PORT: a patched QEMU that waits for a state, on overlays of its own.
receiver_start() {
    qemu-img create -q -u -f qcow2 -F qcow2 -b "$T/a.qcow2" "$T/ra.ovl" 16M
    qemu-img create -q -u -f qcow2 -F raw -b "$T/b.img" "$T/rb.ovl" 16M
    patched_start rx -m 64M -drive "file=$T/ra.ovl,format=qcow2,if=ide" -drive "file=$T/rb.ovl,format=qcow2,if=ide" \
        -incoming "cptcp:127.0.0.1:$1"
}

@test "--uri: the state lives in the paused receiver, which goes on with mplcr-restore --receiver" {
    local port least most
    port=$(free_port)
    patched_boot
    receiver_start "$port"
    least=$(vm_count vm)
    mplcr 0 --json --uri "tcp:127.0.0.1:$port"
    json=$output
    most=$(vm_count vm)
    assert_equal "$(field '[.engine, .layout, .receiver.uri] | join(" ")')" "mplcr receiver tcp:127.0.0.1:$port"
    assert_equal "$(cd "$T/x1.ckpt" && find . -type f | sort | xargs)" "./checkpoint.json ./trace.jsonl"
    assert_equal "$(active)" "$T/a_x1.ovl $T/b_x1.ovl"
    vm_assert_counting vm 6
    until [[ $(vm_status "$T/rx.qmp") != inmigrate ]]; do sleep 0.02; done
    assert_equal "$(vm_status "$T/rx.qmp")" paused
    run_tool 2 "$BIN/mplcr-restore" "$T/x1.ckpt"
    run_tool 0 "$BIN/mplcr-restore" --receiver "$T/rx.qmp" "$T/x1.ckpt"
    goes_on_from rx "$least" "$most"
    vm_assert_counting vm 6
}

@test "--uri: nobody listens there, or the receiver dies; the VM runs on, and all is switched off" {
    local port facts
    port=$(free_port)
    patched_boot
    facts=$(vm_facts)
    mplcr 3 --uri "tcp:127.0.0.1:$port"
    rm -rf "$T/vm.qmp.mplcr"
    as_before "$facts"
    receiver_start "$port"
    mplcr_begin --uri "tcp:127.0.0.1:$port" --extend-live
    log_wait "out migrate_init" 2
    vm_kill rx
    mplcr_ends 3
    assert_equal "$(find "$T" -name '*.ckpt*' -o -name '*_x1.ovl')" ''
    switched_off
}
