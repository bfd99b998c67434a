#!/usr/bin/env bats
# qemu: none
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# mplcr-trace parse, summary and compare, on the logs in tests/fixtures:
#
#     mplcr-run.log               what MPLM printed during two live checkpoints
#     migration-default.stap.log  a SystemTap trace of one default migration
#     qemu-7.2-precopy.log        QEMU's own trace log without time stamps (of the lines of which there are
#     qemu-10.0-*.log             thousands, ram_save_page and migration_transferred_bytes, a few were kept); with them
#     *.ckpt                      what mplcr-trigger writes: trace.jsonl, and of checkpoint.json the beginning
#
# The numbers were counted by hand, with the greps that stand beside them.

load helpers

# Nothing here starts anything: to look through all processes for leaks would take longer than the tests.
teardown() { rm -rf -- "$T"; }

fixtures=$BATS_TEST_DIRNAME/../fixtures
mplm=$fixtures/mplcr-run.log
stap=$fixtures/migration-default.stap.log

# parse STATUS [OPTION…] FILE
parse() {
    local expected=$1
    shift
    run_tool "$expected" "$BIN/mplcr-trace" parse "$@"
    json=$output
}

summary() {
    run_tool 0 "$BIN/mplcr-trace" summary --json "$@"
    json=$output
}

# got JQ-FILTER EXPECTED …: of $json, all lines of it as one array. What a filter gives is one line a value. All filters
# are one call of jq, which takes longer to start than anything here.
got() {
    local filters='' expected=''
    while (($#)); do
        filters+=${filters:+,}[$1]
        expected+="[${2//$'\n'/,}]"$'\n'
        shift 2
    done
    assert_equal "$(jq -sc "$filters" <<<"$json")" "${expected%$'\n'}"
}

says() {
    [[ $stderr == *"$1"* ]] || fail "$(printf 'the message lacks: %s\n--- stderr:\n%s' "$1" "$stderr")"
}

# Events without the numbers of their lines.
without_lines() { sed 's/"line":[0-9]*,//'; }

# How many events of each kind.
counts='[group_by(.event)[] | "\(.[0].event) \(length)"] | join(", ")'

# --- the report of MPLM ---------------------------------------------------------------------------------------------

# grep -c 'qmp_migrate: Start' 2          checkpoints
# grep -c '<> migration_bitmap_sync' 6    sync
# grep -c 'mplm_wakeup_time sec' 2        iteration: an interval of 3 s each, of which only the first was needed
# grep -c 'pending_size' 2                pending
# grep -c LastAccumulated 4               transferred: pages looked at and pages sent, for each checkpoint
# grep -c 'skip inactivate' 2             stop
# grep -c 'Resume VM' 2                   resume; it is printed only after a migration that completed: done
# grep -c '^Formatting' 3                 freeze: the first is from before the first checkpoint
# setup: lines 4 to 8, 10 to 12, 14, 15 (device, file and format of the queued overlay are one event) and 30 further on
@test "MPLM: every event of both checkpoints" {
    parse 0 "$mplm"
    assert_equal "$stderr" ""
    got "$counts" '"done 2, freeze 2, iteration 2, pending 2, resume 2, setup 20, stop 2, sync 6, transferred 4"' \
        '[.[] | select(.checkpoint == 1)] | length' 21 \
        '[.[] | select(.checkpoint == 2)] | length' 21 \
        '[.[] | select(.event == "sync").line]' '[16,19,25,46,49,55]' \
        '.[10] | del(.event)' '{"line":16,"checkpoint":1,"total_pages":1053362,"dirty_pages":1052882,"period_dirty_pages":1052882,"nondirty_pages":1052882,"counted_nondirty_pages":1052914}' \
        '[.[] | select(.event == "pending") | [.line, .pending_bytes, .pending_pages]]' '[[20,151617536,37016],[50,186003456,45411]]' \
        '[.[] | select(.sent_nondirty_pages) | [.line, .sent_nondirty_pages, .sent_dirty_pages, .unsent_dirty_pages, .unsent_nondirty_pages, .nondirty_percent]]' \
        '[[22,1016340,0,0,0,100],[52,1007890,0,1011767,0,100]]' \
        '[.[] | select(.event == "freeze") | [.line, .device, .file, .format, .backing, .backing_format, .disk_bytes]]' \
        '[[29,"ide0-hd0","/home/kasidit/images/mplcr_snap_x1.ovl","qcow2","/home/kasidit/images/mplcr_snap_01.ovl","qcow2",8589934592],[59,"ide0-hd0","/home/kasidit/images/mplcr_snap_x2.ovl","qcow2","/home/kasidit/images/mplcr_snap_x1.ovl","qcow2",8589934592]]' \
        '[.[] | select(.event == "resume" or .event == "stop").line]' '[24,31,54,61]'
}

# 1517992373.384744 - 1517991936.721550 = 436.663194 s between the two that the log tells
@test "MPLM: the wall clock that it prints" {
    parse 0 "$mplm"
    got '[.[] | select(.time_ms) | [.line, .time_ms]]' '[[17,0],[47,436663.194]]' \
        '[.[] | select(.unix_time_ms).unix_time_ms]' '[1517991936721.55]'
}

# Live: 1016340 and 1007890 pages of 4096 bytes; stop: 37016 and 45411. At most 50 % of a cycle are dirty pages, and a
# page that is not dirty is sent once: 1053362 / (1 - 0.50) = 2106724 pages.
@test "MPLM: what its figures amount to" {
    summary "$mplm"
    got '.[0] | [.schema, .format, .lines.total, .lines.unknown, .checkpoint_count]' '["mplcr.trace.summary/1","mplm",61,0,2]' \
        '.[0].checkpoints[] | [.checkpoint, .status, .total_pages, .nondirty_pages, .interval_seconds, .dirty_percent, .first_nondirty, .relax]' \
        '[1,"completed",1053362,36383,3,50,true,true]
[2,"completed",1053362,44815,3,50,true,true]' \
        '.[0].checkpoints[] | [.sent_pages, .live_bytes, .stop_bytes, .transferred_bytes, .bound_pages, .bound_kept]' \
        '[1016340,4162928640,151617536,4314546176,2106724,true]
[1007890,4128317440,186003456,4314320896,2106724,true]' \
        '[.[0].checkpoints[].syncs[] | [.dirty_pages, .period_dirty_pages]]' \
        '[[1052882,1052882],[37016,1053515],[37016,0],[1052882,0],[45411,596],[45411,596]]' \
        '[.[0].checkpoints[].phases[] | select(has("duration_ms"))]' '[]' \
        '[.[0].checkpoints[].phases[] | select(has("began_ms")) | [.name, .began_ms]]' '[["live",0],["live",0]]' \
        '[.[0].checkpoints[].iterations[] | [.pending_before_bytes, .pending_after_bytes]]' \
        '[[4312604672,151617536],[4312604672,186003456]]'
    # 1053515 dirty pages of 1053362: flagged
    got '[.[0].checkpoints[0].notes[] | select(test("^line 19: period_dirty_pages cannot be"))] | length' 1 \
        '[.[0].checkpoints[1].notes[] | select(test("cannot be"))] | length' 0
}

@test "MPLM: lines that other runs print" {
    cat >"$T/log" <<'END'
MPLM disabled: Pre-copy mechanism is used.
Performaing MPLM WITHOUT firstnondirty flag interval 5 and relax = 0
 with 30 percents of dirty pages per cycle

(qemu) qmp_migrate: Start performing migration!
RSI: mplm_wakeup_time sec 100 usec 250000
RSI: mplm_wakeup_time + 3 sec 105 usec 250000
RSI: set bitmap sync flag; out of while loop
RSI(i): new mplm_wakeup_time: wake.tv_sec 110 wake.tv_usec 250001
<2> mplm_bitmap_sync_interval = 5000 ms
 pending_size = 40960 pending_pages = 10.000000
 Accumulated TxNondirtyFSMlookfor= 9 (9 increase) TxDirtyFSMlookfor=3 (3 increase) NondirtyFSMlookfor Percents is 0.750000
 Accumulated TxNondirtyFSMreal= 6 (6 increase) TxDirtyFSMreal=2 (2 increase) NondirtyFSMreal Percents is 0.750000
 NotSendDirt 1 NotSendNonDirt 3

pending: mplm_live_migration_stage_finish is ON
MPLM HACK: skip inactivate bdrv
post checkpoint run: /root/snap.sh
system return 0
MPLM: VM paused on the source host
END
    parse 0 "$T/log"
    got "$counts" '"done 1, freeze 1, iteration 2, pending 1, setup 4, step 1, stop 1, switchover 1, transferred 3"' \
        '[.[] | select(.event == "iteration").time_ms]' '[0,5000.001]' \
        '.[1] | [.interval_seconds, .first_nondirty, .relax]' '[5,false,false]' \
        '[.[] | select(.event == "transferred") | .nondirty_percent // 0]' '[75,75,0]'
}

# --- SystemTap ------------------------------------------------------------------------------------------------------

# grep -c '^qmp_migrate uri' 1            checkpoints
# grep -c '^migration_bitmap_sync$' 3     sync: the function's line; its two marks and its stack belong to it
# grep -c savevm_state_iterate 35         iteration
# grep -c '^migrate_pending ' 35          pending: 36 less line 110, of which only an "m" is left
# grep -c '^migrate_transferred ' 17      transferred
# grep -c vmstate_save 43                 vmstate
# setup: lines 4, 18 to 22, 33
@test "SystemTap: every event" {
    parse 0 "$stap"
    got "$counts" '"done 1, iteration 35, pending 35, setup 7, stop 1, switchover 1, sync 3, transferred 17, vmstate 43"' \
        '[.[].checkpoint] | unique' '[1]' \
        '[.[] | select(.event == "sync") | [.line, .caller]]' '[[24,"ram_save_setup"],[191,"ram_save_pending"],[204,"ram_save_complete"]]' \
        '[.[] | select(.event == "vmstate").line] | [first, last]' '[215,341]' \
        '[.[] | select(.event == "setup") | .step]' '["migrate","connect","connect","header","begin","bitmap","complete"]' \
        '[.[] | select(.total_pages) | [.line, .total_pages]]' '[[22,164531]]' \
        '[.[] | select(.event == "pending").pending_bytes] | [.[0], .[16], .[17], .[34]]' '[671830016,286937088,268840960,0]' \
        '[.[] | select(.event == "switchover" or .event == "stop" or .event == "done").line]' '[201,202,344]'
    says "2 of 345 lines are unknown"
}

# The bits of a double: 4680821656496752412 is 0x40f59e7f1c71c71c, 88551.944… bytes per ms = 12751480 bytes in 144 ms.
@test "SystemTap: the bandwidth is decoded" {
    parse 0 "$stap"
    # not through jq, whose numbers are doubles
    assert_equal "$(grep -F '"line":42,' <<<"$json")" \
        '{"event":"transferred","line":42,"checkpoint":1,"threshold_bytes":26565583,"transferred_bytes":12751480,"spent_ms":144,"bandwidth_bytes_per_second":88551944,"logged_bandwidth":4680821656496752412,"note":"bandwidth decoded: the log has the bits of a double"}'
    # each of the 17 is what its bytes and its time make
    got '[.[] | select(.event == "transferred") | (.transferred_bytes / .spent_ms * 1000 - .bandwidth_bytes_per_second) | fabs < 1] | [length, all]' \
        '[17,true]'
}

# 144 + 104 + 111 + … ms of 17 periods: grep -o 'time_spent:[0-9]*' | cut -d: -f2 | paste -sd+ | bc = 1959, and
# grep -o 'transterred_bytes:[0-9]*' likewise 264168903
@test "SystemTap: summary" {
    summary "$stap"
    got '.[0].lines' '{"total":345,"events":143,"context":199,"blank":1,"unknown":2}' \
        '.[0].checkpoints[0] | [.transferred_bytes, .pending_first_bytes, .pending_last_bytes, .device_count, (.samples | length)]' '[264168903,671830016,0,43,52]' \
        '.[0].checkpoints[0].phases' '[{"name":"setup"},{"name":"live","duration_ms":1959,"approximate":true},{"name":"pause"}]' \
        '.[0].checkpoints[0].iterations | [length, .[0].pending_before_bytes, .[0].pending_after_bytes, .[34].pending_after_bytes]' '[35,671830016,665796608,0]'
    # Line 110 was what was pending after iteration 17 and before the one that follows.
    got '.[0].checkpoints[0].iterations | map(select(has("pending_after_bytes") | not).iteration), map(select(has("pending_before_bytes") | not).iteration)' '[17]
[18]' \
        '.[0].checkpoints[0] | [.bandwidth_min_bytes_per_second, .bandwidth_max_bytes_per_second] | map(round)' '[88551944,162092505]'
}

@test "a bandwidth that cannot be true is not believed" {
    printf '%s\n' 'begin probe x' 'migrate_transferred transterred_bytes:1000 time_spent:10 bandwidth:77 max_size:0' \
        'migrate_transferred transterred_bytes:1000 time_spent:0 bandwidth:4680821656496752412 max_size:0' \
        'migrate_transferred transterred_bytes:1000 time_spent:10 bandwidth:100 max_size:0' >"$T/log"
    parse 0 "$T/log"
    got '[.[] | .bandwidth_bytes_per_second]' '[100000,88551944,100000]' \
        '.[0].note' '"the logged bandwidth is impossible: computed from bytes and time"' \
        '.[2] | has("note")' false
}

# --- QEMU's own log -------------------------------------------------------------------------------------------------

# grep -c for savevm_state_iterate, sync_start, pending, transferred, vmstate_save: 5, 4, 6, 3, 32 in the first
@test "QEMU 7.2, no time stamps" {
    parse 0 "$fixtures/qemu-7.2-precopy.log"
    assert_equal "$stderr" ""
    got "$counts" '"done 1, iteration 5, pending 6, setup 6, stop 1, switchover 1, sync 4, transferred 3, vmstate 32"' \
        '[.[] | has("time_ms")] | any' false \
        '[.[] | select(.event == "pending")][1] | [.pending_bytes, .threshold_bytes, .precopy_bytes, .postcopy_bytes]' '[112197632,1200781,112197632,0]' \
        '[.[] | select(.event == "vmstate")][31] | [.name, .description, .section]' '["globalstate","globalstate",42]' \
        '[.[] | select(.event == "done")][0].status' '"completed"'
    summary "$fixtures/qemu-7.2-precopy.log"
    got '.[0].checkpoints[0].phases[1]' '{"name":"live","duration_ms":300,"approximate":true}'
}

# The stop is 1226.908 ms after the first stamp of the log, "completed" 5.105 ms later.
@test "QEMU 10.0, with time stamps: phases have times" {
    parse 0 "$fixtures/qemu-10.0-precopy.log"
    got '[.[] | select(.event == "stop" or .event == "done").time_ms]' '[1226.908,1232.013]' \
        '[.[] | select(.event == "pending") | .exact] | map(tostring) | join(" ")' \
        '"false false false false false true false false true"' \
        '[.[] | select(.name == "0000:00:01.3/piix4_pm")][0] | [.instance, .spent_ms]' '[0,0.768]' \
        '[.[] | select(.event == "vmstate")] | length' 32
    summary "$fixtures/qemu-10.0-precopy.log"
    got '.[0].checkpoints[0] | .phases | map([.name, .duration_ms])' '[["setup",5.574],["live",301.537],["pause",5.105]]' \
        '.[0].checkpoints[0] | [.transferred_bytes, .live_bytes, .stop_bytes]' '[19988890,19723720,265170]'
}

@test "QEMU 10.0, background snapshot: the pause comes first, the copy after it" {
    summary "$fixtures/qemu-10.0-background.log"
    got '.[0].checkpoints | length' 1 \
        '.[0].checkpoints[0].phases' '[{"name":"pause","began_ms":0,"duration_ms":59.545},{"name":"copy","began_ms":59.545,"duration_ms":610.816}]' \
        '.[0].checkpoints[0] | [.device_count, .transferred_bytes]' '[32,17914747]'
}

@test "other versions of QEMU: arguments that differ, states as numbers, sections alone" {
    printf '%s\n' 'migrate_set_state new state 1' 'migrate_set_state new state 4' \
        'migrate_pending pending size 7 max 5 (post=4 nonpost=3)' 'savevm_state_iterate ' \
        'savevm_section_start ram, section_id 3' 'savevm_section_end ram, section_id 3 -> 1' \
        'migrate_transferred transferred 2000 time_spent 100 bandwidth 20 max_size 6000' \
        'migration_thread_low_pending 0' 'savevm_state_complete_precopy ' 'savevm_section_start ram, section_id 3' \
        'savevm_section_end ram, section_id 3 -> 0' 'savevm_section_start timer, section_id 0' \
        'savevm_section_end timer, section_id 0 -> 0' 'migrate_set_state new state 6' 'migration_thread_after_loop ' \
        'migrate_set_state new state setup' 'migrate_fd_error error=the other end is gone' \
        'migrate_set_state new state failed' >"$T/log"
    parse 0 "$T/log"
    got '[.[] | select(.event == "vmstate") | [.line, .name]]' '[[12,"timer"]]' \
        '[.[] | select(.event == "done") | [.line, .checkpoint, .status]]' '[[14,1,"completed"],[18,2,"failed"]]' \
        '[.[] | select(.event == "pending")][0] | [.postcopy_bytes, .precopy_bytes]' '[4,3]' \
        '[.[] | select(.event == "transferred")][0].bandwidth_bytes_per_second' 20000
    summary "$T/log"
    got '.[0].checkpoints[1].notes' '["QEMU said: the other end is gone"]'
}

# In the first, the totals are printed again long after the end, and the guest is started by hand before the next one.
@test "QEMU's log of several migrations: each ends with its own end" {
    cat >"$T/log" <<'END'
1@100.000000:migrate_set_state new state setup
1@100.001000:savevm_state_header
1@100.002000:migrate_set_state new state active
1@100.002000:migration_thread_setup_complete
1@100.002000:savevm_state_iterate
1@100.010000:migration_thread_low_pending 0
1@100.011000:migration_completion_vm_stop ret 0
1@100.016000:migrate_set_state new state completed
1@100.017000:migration_thread_after_loop
1@100.050000:migration_transferred_bytes qemu_file 4711 multifd 0 RDMA 0
1@1149.000000:migration_transferred_bytes qemu_file 4711 multifd 0 RDMA 0
1@1149.500000:migrate_set_state new state setup
1@1149.600000:migrate_set_state new state active
1@1149.600000:migrate_set_state new state failed
1@1150.000000:qmp_migrate uri:fd:x
1@1150.001000:migrate_set_state new state setup
1@1150.002000:savevm_state_header
1@1150.003000:migrate_set_state new state active
1@1150.004000:migration_completion_vm_stop ret 0
1@1150.005000:vmstate_save timer, timer
1@1150.006000:savevm_state_iterate
1@1150.020000:savevm_state_iterate
1@1151.040000:migrate_set_state new state completed
1@1151.041000:qmp_migrate uri:fd:y
1@1151.042000:qmp_migrate uri:fd:z
END
    summary "$T/log"
    got '.[0].checkpoints[] | [.first_line, .status, .uri]' '[1,"completed",null]
[12,"failed",null]
[15,"completed","fd:x"]
[24,null,"fd:y"]
[25,null,"fd:z"]' \
        '.[0].checkpoints[0].phases | map([.name, .duration_ms])' '[["setup",2],["live",9],["pause",5]]' \
        '.[0].checkpoints[2].phases | map([.name, .began_ms, .duration_ms])' '[["setup",0,3],["pause",4,null],["copy",6,1034]]' \
        '.[0].checkpoints[2].notes' '["a background snapshot: the log does not show when the guest ran again"]'
    # nor is it drawn
    "$BIN/mplcr-trace" plot --type svg --checkpoint 3 "$T/log" | grep -q '>log #3, 1.04 s: setup 3.0 ms, copy 1.03 s<'
    run_tool 3 "$BIN/mplcr-trace" plot --only pause --type svg --checkpoint 3 "$T/log"
}

@test "stacks between the lines of QEMU's log, as contrib's script for SystemTap prints them" {
    cat >"$T/log" <<'END'
7@5.000000:migration_bitmap_sync
 0x55d0c1a1b2c3 : migration_bitmap_sync+0x0/0x2b0 [/usr/libexec/qemu-kvm]
 0x55d0c1a1b9d4 : ram_save_pending+0xa4/0x120 [/usr/libexec/qemu-kvm]
 0x7f2ac5a3d1ca : start_thread+0xca/0x2f0 [/usr/lib64/libpthread-2.17.so]
7@5.000100:migration_bitmap_sync_start
7@5.000300:migration_bitmap_sync_end dirty_pages 9
END
    parse 0 --unknown "$T/log"
    got '.[] | [.event, .line, .time_ms, .caller, .spent_ms, .period_dirty_pages]' '["sync",1,0,"ram_save_pending",0.3,9]'
    assert_equal "$stderr" ""
}

# --- our own trace --------------------------------------------------------------------------------------------------

@test "a checkpoint directory: precopy" {
    parse 0 "$fixtures/precopy.ckpt"
    got "$counts" '"done 1, freeze 1, iteration 3, pending 4, resume 1, setup 4, step 5, stop 1, switchover 1, transferred 4"' \
        '[.[] | select(.event == "freeze")][0] | [.device, .file, .format]' '["drive0","/vm/a_x1.ovl","qcow2"]' \
        '[.[] | select(.event == "step").step]' '["survey","prepare","engine","store","check"]'
    summary "$fixtures/precopy.ckpt/trace.jsonl"
    got '.[0].checkpoints[0].phases | map([.name, .duration_ms])' '[["setup",46.277],["live",422.878],["pause",18.98],["finish",49.376]]' \
        '.[0].checkpoints[0].phases[2].parts | map([.name, .duration_ms])' '[["before_freeze",1.156],["freeze",2.161],["after_freeze",15.663]]'
}

@test "a checkpoint directory: background" {
    summary "$fixtures/background.ckpt/"
    got '.[0].checkpoints[0].phases | map([.name, .duration_ms])' '[["setup",87.351],["pause",28],["copy",235.18],["finish",76.534]]' \
        '.[0].checkpoints[0] | [.total_pages, .transferred_bytes, .uri, (.disks | length)]' '[32898,16480120,"fd:mplcr-state",1]'
    mkdir "$T/empty"
    run_tool 3 "$BIN/mplcr-trace" summary "$T/empty"
    says "cannot open '$T/empty/trace.jsonl': No such file or directory"
}

# QEMU's own stamps: 345511 - 326531 us and 926981 - 898981 us. The events came in 19.042 and 27.990 ms after each other:
# in the one trace RESUME took longer to come, in the other STOP.
@test "the pause is as long as the checkpoint says, and as its parts" {
    local name
    for name in precopy background; do
        summary "$fixtures/$name.ckpt"
        got '.[0].checkpoints[0].phases[] | select(.name == "pause").duration_ms' "$(jq .pause_ms "$fixtures/$name.ckpt/checkpoint.json")" \
            '.[0].checkpoints[0].phases[] | select(.name == "pause") | .began_ms == .parts[0].began_ms,
             ((.parts | map(.duration_ms) | add) - .duration_ms | fabs < 0.001)' 'true
true' \
            '.[0].checkpoints[0].phases | ., (.[] | select(.parts).parts) | [.[:-1], .[1:]] | transpose |
             map(.[0].began_ms + .[0].duration_ms - .[1].began_ms | fabs < 0.001) | all' 'true
true'
    done
}

@test "what parse prints is itself a log" {
    local file log
    for file in "$mplm" "$stap" "$fixtures"/qemu-* "$fixtures/precopy.ckpt"; do
        parse 0 --unknown "$file"
        printf '%s\n' "$output" >"$T/events"
        run_tool 0 "$BIN/mplcr-trace" parse --unknown "$T/events"
        # the line is that of the source, which is another one now
        assert_equal "$(without_lines <<<"$output")" "$(without_lines <"$T/events")"
        for log in "$file" "$T/events"; do
            "$BIN/mplcr-trace" summary -q --json "$log"
        done >"$T/both"
        jq -se 'map(.checkpoints | map(del(.first_line, .last_line, .notes, .syncs[].line, .iterations[].line))) |
            (.[0] | length > 0) and .[0] == .[1]' "$T/both" >/dev/null || fail "$file: $(<"$T/both")"
    done
}

# --- logs that are not clean ----------------------------------------------------------------------------------------

@test "lines that are not known: counted, shown with --unknown" {
    parse 0 --unknown "$stap"
    got '[.[] | select(.event == "unknown") | [.line, .text]]' '[[2,"[root@node1 qemu]# stap --ldd qemu-migrate-default.stp"],[110,"m"]]'
    assert_equal "$stderr" ""
    run_tool 0 "$BIN/mplcr-trace" parse --quiet "$stap"
    assert_equal "$stderr" ""
}

@test "carriage returns, NULs, junk, lines without end: the events are the same" {
    local file
    for file in "$mplm" "$stap" "$fixtures/qemu-10.0-precopy.log" "$fixtures/precopy.ckpt/trace.jsonl"; do
        parse 0 "$file"
        without_lines <<<"$json" >"$T/plain"
        {
            head -c 3000000 /dev/zero | tr '\0' x
            echo
            head -c 1000 /dev/zero
            printf '\nMPL\n\377\376\033[31m\303\n\n'
            sed 's/$/\r/' "$file"
            printf 'qmp_migr'
        } >"$T/dirty"
        parse 0 "$T/dirty"
        without_lines <<<"$json" | diff - "$T/plain"
        says " lines are unknown: parse --unknown shows them"
        parse 0 --unknown "$T/dirty"
        got '[.[] | select(.event == "unknown") | .text | length] | first, last' '1024
8'
    done
}

@test "lines of two writers, one within the other: both halves are unknown, the rest is read" {
    sed '43s/ max_size/\nprocess("x").mark("savevm_section_end")\n&/; 56s/^/(gdb) /' "$stap" >"$T/log"
    parse 0 --unknown "$T/log"
    got '[.[] | select(.event == "unknown") | .line]' '[2,43,45,58,112]' \
        "$counts" '"done 1, iteration 35, pending 33, setup 7, stop 1, switchover 1, sync 3, transferred 17, unknown 5, vmstate 43"'
}

@test "cut off after any byte: no failure, no event that the whole log does not have" {
    local n
    parse 0 "$mplm"
    printf '%s\n' "$output" >"$T/whole"
    for n in 700 1111 1500 1901 2600 3333 3900; do
        head -c "$n" "$mplm" >"$T/log"
        run_tool 0 "$BIN/mplcr-trace" parse -q "$T/log"
        # all but the last, which may be of half a line
        head -n -1 <<<"$output" | diff - <(head -n "$(($(wc -l <<<"$output") - 1))" "$T/whole")
    done
}

@test "several checkpoints in one log are numbered" {
    cat "$stap" "$stap" "$stap" >"$T/log"
    parse 0 "$T/log"
    got '[.[] | select(.event == "iteration").checkpoint] | group_by(.) | map(length)' '[35,35,35]'
    summary "$T/log"
    got '.[0].checkpoints | map([.checkpoint, .transferred_bytes, .first_line])' '[[1,264168903,4],[2,264168903,349],[3,264168903,694]]'
}

@test "the format is recognised, or given, or unknown" {
    echo "nothing of note" >"$T/prose"
    run_tool 3 "$BIN/mplcr-trace" parse "$T/prose"
    says "mplcr-trace: '$T/prose': no line of a known format"
    says "hint: --format names the format"
    : >"$T/empty"
    run_tool 3 "$BIN/mplcr-trace" summary "$T/empty"
    run_tool 0 "$BIN/mplcr-trace" summary --json --format qemu "$T/empty"
    assert_equal "$(jq -c '[.format, .checkpoints]' <<<"$output")" '["qemu",[]]'
    run_tool 0 "$BIN/mplcr-trace" parse --format mplm "$stap"
    assert_equal "$output" ""
    says "344 of 345 lines are unknown"
    run_tool 2 "$BIN/mplcr-trace" parse --format pcap "$stap"
    says "--format: 'pcap' is not auto, mplm, stap, qemu or mplcr"
    run_tool 3 "$BIN/mplcr-trace" parse "$T/nosuch"
    says "cannot open '$T/nosuch': No such file or directory"
    run_tool 2 "$BIN/mplcr-trace" parse "$stap" "$mplm"
    run_tool 3 "$BIN/mplcr-trace" parse /proc/self/mem
    says "'/proc/self/mem': cannot read: Input/output error"
    run_tool_stdin 0 "$BIN/mplcr-trace" parse <"$mplm"
    assert_equal "$(wc -l <<<"$output")" 42
}

@test "nothing is lost without a word: no space for the output" {
    run_tool 3 bash -c '"$1" parse "$2" >/dev/full' - "$BIN/mplcr-trace" "$stap"
    says "cannot write to standard output: No space left on device"
}

# --- for people -----------------------------------------------------------------------------------------------------

@test "the table fits 80 columns" {
    local file wide
    for file in "$fixtures"/*.log "$fixtures"/*.ckpt; do
        run_tool 0 "$BIN/mplcr-trace" summary "$file"
        wide=$(tail -n +2 <<<"$output" | grep -E '^.{81}' || true)
        assert_equal "$wide" ""
    done
    run_tool 0 "$BIN/mplcr-trace" summary "$mplm"
    [[ $output == *"checkpoint 2: completed, lines 34 to 61, iterations: 1, bitmap syncs: 3"* ]]
    [[ $output == *"MPLM: bound of the live stage              kept"* ]]
    run_tool 0 "$BIN/mplcr-trace" compare "$fixtures"/*.log "$fixtures"/*.ckpt
    wide=$(sed '1,/^$/d' <<<"$output" | grep -E '^.{81}' || true)
    assert_equal "$wide" ""
}

@test "a long list shows its ends" {
    {
        echo 'migrate_set_state new state setup'
        for ((i = 0; i < 100; i++)); do echo 'savevm_state_iterate '; done
    } >"$T/log"
    run_tool 0 "$BIN/mplcr-trace" summary "$T/log"
    [[ $output == *"  ... 60 more: --json has them all"* ]]
    assert_equal "$(grep -cE '^  [0-9]+ ' <<<"$output")" 40
    summary "$T/log"
    got '.[0].checkpoints[0].iterations | length' 100
}

@test "--csv: one row a checkpoint, empty where the log does not tell" {
    run_tool 0 "$BIN/mplcr-trace" summary --csv "$mplm"
    assert_equal "${#lines[@]}" 3
    assert_equal "$(awk -F, '{ print NF }' <<<"$output" | sort -u)" 42
    assert_equal "$(cut -d, -f1-8 <<<"$output")" "checkpoint,status,first_line,last_line,iterations,syncs,devices,disks
1,completed,4,31,1,3,0,1
2,completed,34,61,1,3,0,1"
    assert_equal "$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "live_bytes") c = i; next } { print $c }' <<<"$output")" "4162928640
4128317440"
    run_tool 2 "$BIN/mplcr-trace" summary --csv --json "$mplm"
}

@test "compare: side by side, with ratios" {
    run_tool 0 "$BIN/mplcr-trace" compare "$mplm"
    [[ $output == *"[1] $mplm, checkpoint 1, completed"* ]]
    [[ $output =~ "of it in the stop stage        144.6 MiB    177.4 MiB  1.23x" ]]
    run_tool 0 "$BIN/mplcr-trace" compare --json "$fixtures/background.ckpt" "$fixtures/precopy.ckpt" "$stap"
    json=$output
    got '.[0] | keys_unsorted' '["schema","columns","rows"]' \
        '.[0].schema' '"mplcr.trace.compare/1"' \
        '.[0].columns | map(.checkpoint)' '[1,1,1]' \
        '.[0].rows[] | select(.name == "pause_ms")' '{"name":"pause_ms","values":[28,18.98,null],"ratios":[1,0.677857142857143,null]}' \
        '.[0].rows[] | select(.name == "live_ms")' '{"name":"live_ms","values":[null,422.878,1959],"ratios":[null,null,null]}'
    run_tool 3 "$BIN/mplcr-trace" compare "$stap"
    says "only 1 checkpoint: nothing to compare it with"
    run_tool 2 "$BIN/mplcr-trace" compare
}
