#!/usr/bin/env bats
# qemu: 10
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# mplcr-trace record, beside somebody who runs the migration: here QMP commands on another socket. A VM takes longer to
# start than all that is done with it: each test does several things with one.

load helpers
load trigger # says, fake, between

# boot [QEMU ARGUMENT…]: the VM with a spare socket, and a log.
boot() {
    GUEST_WORDS='ws=8M rate=1M' vm_start vm -m 64M -qmp "unix:$T/spare.qmp,server=on,wait=off" -D "$T/qemu.log" "$@"
}

# record [OPTION…]: begins in the background, on $SOCKET; what it prints goes to $T/events and $T/said.
record() { record_until "$T/said" 'waiting for a migration' "$@"; }

# record_running [OPTION…]: the same, of a migration that runs already.
record_running() { record_until "$T/events" '"pending"' "$@"; }

record_until() {
    local file=$1 line=$2
    shift 2
    : >"$file"
    "$BIN/mplcr-trace" record --socket "${SOCKET:-$T/spare.qmp}" "$@" </dev/null >"$T/events" 2>"$T/said" 3>&- &
    recorder=$!
    vm_wait_line "$file" "$line" 10
}

# recorded STATUS: it has ended, with this status; $stderr is what it said.
recorded() {
    local status=0
    wait "$recorder" || status=$?
    stderr=$(<"$T/said")
    [[ $status -eq $1 ]] || fail "status $status instead of $1: $stderr"
    jq -e . <"$T/events" >/dev/null || fail "not JSON: $(cat "$T/events")"
}

kinds() { jq -r .event "$T/events" | uniq | xargs; }
events() { jq -c "select(.event == \"$1\")" "$T/events"; }
save() { vm_save "$T/vm.qmp" "$T/state"; }

# The trace events that are on, of those that record could switch.
switched() {
    qmp vm trace-event-get-state 'name=*' | grep -o '{[^{}]*"enabled"[^{}]*}' | sort
}

@test "a migration from its beginning to its end, with events of the VM and without; QEMU's own log of it; a checkpoint" {
    local before log
    boot
    qmp vm migrate-set-capabilities '{"capabilities":[{"capability":"events","state":true}]}'
    qmp vm trace-event-set-state name=migrate_set_state enable=true
    before=$(switched)
    record --events
    [ "$(switched | wc -l)" -gt 20 ] || fail "on: $(switched)"
    qmp vm migrate "uri=exec:cat > '$T/state'"
    recorded 0
    says "QEMU writes its trace events to its log"
    assert_equal "$(switched)" "$before"
    assert_regex "$(kinds)" '^setup .*pending.* stop .*done'
    assert_equal "$(events 'done' | jq -r .status)" completed
    assert_equal "$(events stop | wc -l)" 1
    jq -e -s 'all(.checkpoint == 1) and ([.[].line] == [range(1; length + 1)]) and ([.[].time_ms] == ([.[].time_ms] | sort))' \
        "$T/events" >/dev/null || fail "$(cat "$T/events")"
    # what QEMU itself says of the whole
    assert_equal "$(jq -rs 'map(select(.total_ms)) | last | "\(.total_ms) \(.total_transferred_bytes)"' "$T/events")" \
        "$(qmp vm query-migrate | jq -r '"\(.["total-time"]) \(.ram.transferred)"')"
    run_tool 0 "$BIN/mplcr-trace" parse "$T/events"
    assert_equal "$output" "$(<"$T/events")"
    run_tool 0 "$BIN/mplcr-trace" summary --json "$T/events"
    assert_equal "$(jq '.checkpoints | length' <<<"$output")" 1
    # what QEMU logged
    grep -q 'migration_thread_setup_complete' "$T/qemu.log"
    if grep -E 'migration_transferred_bytes|ram_save_page|migration_bitmap_clear_dirty' "$T/qemu.log"; then fail "too many"; fi
    run_tool 0 "$BIN/mplcr-trace" parse "$T/qemu.log"
    assert_regex "$output" '"event":"vmstate"'

    # no event of the VM's is needed, and progress comes at least as often as asked for
    qmp vm cont
    qmp vm migrate-set-capabilities '{"capabilities":[{"capability":"events","state":false}]}'
    qmp vm migrate-set-parameters max-bandwidth=20971520
    record --interval 20
    save
    recorded 0
    # the gaps between samples of pending memory, while the migration runs
    run jq -s '[.[] | select(.event == "pending") | .time_ms] | [.[1:], .[:-1]] | transpose | map(.[0] - .[1]) | sort | .[length / 2 | floor]' "$T/events"
    [ "$(jq -n "$output < 60")" = true ] || fail "$output ms between two samples"
    assert_equal "$(events 'done' | jq -r .status)" completed

    # a checkpoint: the pause ends with the guest running again, after the migration, and is as long as the manifest says
    qmp vm cont
    record
    run_tool 0 "$BIN/mplcr-trigger" --socket "$T/vm.qmp" --dir "$T" --name x1 --engine stop
    recorded 0
    assert_regex "$(kinds)" '^stop .*done.* resume$'
    for log in "$T/x1.ckpt" "$T/events"; do
        run_tool 0 "$BIN/mplcr-trace" summary --json "$log"
        assert_equal "$(jq '.checkpoints[].phases[] | select(.name == "pause").duration_ms' <<<"$output")" \
            "$(jq .pause_ms "$T/x1.ckpt/checkpoint.json")"
    done
}

@test "what had ended before, what runs already, what fails, and an end in the middle" {
    boot
    save
    qmp vm cont
    run_tool 3 "$BIN/mplcr-trace" record --socket "$T/spare.qmp" --timeout 0.5
    says "no migration began in time"
    [ -z "$output" ]
    qmp vm migrate-set-parameters max-bandwidth=2097152
    qmp vm migrate "uri=exec:cat > /dev/null"
    record_running
    qmp vm migrate_cancel
    recorded 0
    assert_equal "$(events 'done' | jq -r .status)" cancelled
    assert_equal "$stderr" ""
    record
    qmp vm migrate 'uri=exec:exit 1'
    recorded 0
    assert_equal "$(events 'done' | jq -r .status)" failed

    # an interrupt ends it with whole lines; QEMU's end too
    qmp vm migrate-set-parameters max-bandwidth=2097152
    qmp vm migrate "uri=exec:cat > /dev/null"
    record_running
    kill -TERM "$recorder"
    recorded 3
    assert_equal "$stderr" "mplcr-trace: interrupted"
    [ "$(events pending | wc -l)" -ge 1 ]
    record_running
    vm_kill vm
    recorded 3
    says QMP
}

@test "--events: an interrupt, a closed pipe and a broken connection leave no trace event on; QEMU without them says so" {
    local before
    boot
    before=$(switched)
    record --events
    [[ $(switched) != "$before" ]]
    kill -INT "$recorder"
    recorded 3
    says "interrupted"
    assert_equal "$(switched)" "$before"

    "$BIN/mplcr-trace" record --socket "$T/spare.qmp" --events 2>"$T/said" 3>&- > >(exec 3>&-; sleep 0.1) &
    recorder=$!
    vm_wait_line "$T/said" 'waiting' 10
    sleep 0.2
    save
    recorded 3 </dev/null
    says "cannot write to standard output"
    assert_equal "$(switched)" "$before"

    # a connection that breaks is made anew, to switch them off
    fake -u "$T/spare.qmp" query-migrate:5=close
    SOCKET=$T/fake.qmp record --events
    recorded 3
    says "QMP connection closed"
    assert_equal "$(switched)" "$before"

    fake -u "$T/spare.qmp" trace-event-get-state=error
    run_tool 3 "$BIN/mplcr-trace" record --socket "$T/fake.qmp" --events
    says "cannot switch QEMU's trace events"
    says "hint: leave out --events"
    fake -u "$T/spare.qmp" 'trace-event-get-state:0=return:[{"name":"migrate_set_state","state":"unavailable"}]'
    run_tool 3 "$BIN/mplcr-trace" record --socket "$T/fake.qmp" --events
    says "built without trace events"
}

@test "bad usage, no socket" {
    run_tool 2 "$BIN/mplcr-trace" record
    says "--socket is missing"
    run_tool 2 "$BIN/mplcr-trace" record --socket "$T/spare.qmp" x
    run_tool 2 "$BIN/mplcr-trace" record --socket "$T/spare.qmp" --interval 0
    run_tool 2 "$BIN/mplcr-trace" record --socket "$T/spare.qmp" --interval 1x
    run_tool 2 "$BIN/mplcr-trace" record --socket "$T/spare.qmp" --timeout 0
    run_tool 3 "$BIN/mplcr-trace" record --socket "$T/none.qmp"
    says "cannot connect to '$T/none.qmp'"
}
