# SPDX-License-Identifier: MIT
#
# What the tests of the MPLCR-patched QEMU share, after `load helpers` and `load trigger`. They run on the stand-in
# (tests/tools/mplcr-standin) in front of $QEMU; with MPLCR_QEMU=PATH on that QEMU, the genuine one.
# shellcheck shell=bash disable=SC2154  # BUILD, T, QEMU, output …: helpers.bash

# A guest that leaves the processor to others.
quiet='ws=8M rate=4M check=16M'

genuine() { [[ -n ${MPLCR_QEMU:-} ]]; }

# standin_only WHY: the test is none for the genuine QEMU.
standin_only() { if genuine; then skip "$1"; fi; }

# patched_start NAME [QEMU ARGUMENT…]: vm_start, with the patched QEMU; $STANDIN: options of the stand-in.
patched_start() {
    local name=$1
    shift
    patched_qemu
    QEMU=$T/patched vm_start "$name" "$@"
    # so that it is waited for in the end
    if ! genuine; then pgrep -P "$(<"$T/$name.pid")" >"$T/$name.proxy.pid"; fi
}

# Makes $T/patched, a command that is the patched QEMU.
patched_qemu() {
    local options command
    read -ra options <<<"${STANDIN:-}"
    command=("$BUILD/tests/tools/mplcr-standin" "${options[@]}" "$QEMU")
    if genuine; then command=("$MPLCR_QEMU"); fi
    printf '#!/bin/sh\nexec' >"$T/patched"
    printf ' %q' "${command[@]}" >>"$T/patched"
    printf ' "$@"\n' >>"$T/patched"
    chmod +x "$T/patched"
}

# patched_boot [QEMU ARGUMENT…]: the VM "vm" with two IDE disks, a.qcow2 and b.img (raw), and $MEMORY (64M), counting.
patched_boot() {
    make_disk "$T/a.qcow2" qcow2 16M
    make_disk "$T/b.img" raw 16M
    GUEST_WORDS=${GUEST_WORDS-$quiet} patched_start vm -m "${MEMORY:-64M}" -drive "file=$T/a.qcow2,format=qcow2,if=ide" -drive "file=$T/b.img,format=raw,if=ide" "$@"
    vm_wait_count vm 5
}

# mplcr STATUS [OPTION…]: trigger with that engine. Under TCG the genuine QEMU loses writes, which is not what is tested.
mplcr() {
    local expected=$1 options=(--engine mplcr)
    shift
    if genuine; then options+=(--accept-unsafe-precopy); fi
    trigger "$expected" "${options[@]}" "$@"
}

# mplcr_begin [OPTION…]: the same in the background; its pid in $mplcr_pid, its words in $T/fake.said.
mplcr_begin() {
    "$BIN/mplcr-trigger" --socket "${SOCKET:-$T/vm.qmp}" --engine mplcr --accept-unsafe-precopy "$@" >"$T/fake.said" 2>&1 \
        </dev/null 3>&- &
    mplcr_pid=$!
}

# mplcr_ends STATUS: it ends so, within a minute.
mplcr_ends() {
    local got=0 i
    for ((i = 0; i < 3000; i++)); do
        kill -0 "$mplcr_pid" 2>/dev/null || break
        sleep 0.02
    done
    ((i < 3000)) || { kill_and_wait "$mplcr_pid"; fail "no end after a minute: $(<"$T/fake.said")"; }
    wait "$mplcr_pid" || got=$?
    stderr=$(<"$T/fake.said")
    [[ $got == "$1" ]] || fail "exit status $got instead of $1: $stderr"
}

# log_wait TEXT [COUNT]: until QEMU has printed it so often, for what was begun in the background.
log_wait() {
    local i
    for ((i = 0; i < 3000; i++)); do
        (($(grep -cF -- "$1" "$T/vm.log") < ${2:-1})) || return 0
        kill -0 "$mplcr_pid" 2>/dev/null || break
        sleep 0.02
    done
    fail "QEMU has not printed '$1': $(cat "$T/fake.said" 2>/dev/null)"
}

field() { jq -r "$1" <<<"$json"; }

# active: the images that the VM writes to, in the order of the disks.
active() { qmp vm query-block | jq -r '.[] | select(.inserted) | .inserted.file' | xargs; }

# settings: migration capabilities and parameters.
settings() {
    qmp vm query-migrate-capabilities | jq -cS '.[]'
    qmp vm query-migrate-parameters | jq -cS .
}

# switched_off: the next migration is no checkpoint, nor is its live stage extended: it ends. Only a VM that is paused
# survives an ordinary migration of this QEMU.
switched_off() {
    local marks
    marks=$(grep -c 'MPLM HACK' "$T/vm.log") || true
    qmp vm stop >/dev/null
    qmp vm migrate-set-parameters max-bandwidth=8388608 downtime-limit=2000000 >/dev/null
    qmp vm migrate "uri=exec:cat >/dev/null" >/dev/null
    vm_wait_migration "$T/vm.qmp" completed
    assert_equal "$(grep -c 'MPLM HACK' "$T/vm.log")" "$marks"
    until [[ $(vm_status "$T/vm.qmp") == postmigrate ]]; do sleep 0.01; done
    qmp vm cont >/dev/null
    vm_assert_counting vm 4
}

# sent CKPT [COMMAND]: the commands that were sent, or the arguments of one of them, a line each, as the trace tells.
sent() {
    jq -c --arg command "${2:-}" 'select(.send) | .send | if $command == "" then .execute
        elif .execute == $command then .arguments else empty end' "$1/trace.jsonl" | tr -d '"'
}

# events CKPT: the events that came meanwhile, and what they tell, a line each.
events() { jq -r '.receive // {} | select(.event) | "\(.event) \(.data.status // .data.pass // "")"' "$1/trace.jsonl"; }

# in_order FILE <PATTERNS: lines that match them are there, in that order.
in_order() {
    awk 'NR == FNR { pattern[++n] = $0; next }
        at < n && $0 ~ pattern[at + 1] { at++ }
        END { if (at < n) { print "not in its place: " pattern[at + 1]; exit 1 } }' - "$1" || fail "in ${1##*/}: see above"
}

# printed DEVICE OVERLAY BACKING: what the patched QEMU prints of one checkpoint at the maximum rate, as patterns.
printed() {
    local queued="^mplcr: device name is $1\$
^mplcr: filename is .*/$2\$
^mplcr: format is qcow2\$"
    cat <<EOF
$queued
^Enable live checkpointing. After finishes, it will be disable.\$
^Enable max migration rate limit = 9223372036854775807.\$
^qmp_migrate: Start performing migration!\$
^Start MPLM migration\$
^\$
^MPLM: flag = 1, mplm_interval = 3\$
^Performing MPLM with firstnondirty flag and interval 3 and relax = 1\$
^ with 50 percents of dirty pages per cycle\$
^\$
^out migrate_init\$
^MPLM Debug: max rate limit is set\$
^<> migration_bitmap_sync: TotalPages [0-9]+ DirtPagesPeriod [0-9]+ DirtPagesCnt [0-9]+ TrackedNondirtPages [0-9]+ ExplicitlyCountedNondirtPages [0-9]+\$
^ RSI: mplm_wakeup_time sec [0-9]+ usec [0-9]+\$
^RSI: mplm_wakeup_time [+] 3 sec [0-9]+ usec [0-9]+\$
^<> migration_bitmap_sync: TotalPages [0-9]+
^  pending_size = [0-9]+ pending_pages = [0-9.]+\$
^ LastAccumulated TxNondirtyFSMlookfor= [0-9]+ .* NondirtyFSMlookfor Percents is [0-9.]+ \$
^ LastAccumulated TxNondirtyFSMreal= [0-9]+ .* NotSendDirt [0-9]+ NotSendNonDirt [0-9]+\$
^\$
^MPLM HACK: skip inactivate bdrv\$
^<> migration_bitmap_sync: TotalPages [0-9]+
^ MPLM HACK: skip marking block inactive\$
$queued
^Formatting '.*/$2', fmt=qcow2 .*backing_file=.*/$3 backing_fmt=qcow2
^MPLCR: Resume VM computation on the source host\$
EOF
}

# restored LEAST MOST [OPTION…]: the checkpoint x1 starts again, and counts on from between the two.
restored() {
    local least=$1 most=$2 dir
    shift 2
    run_tool 0 "$BIN/mplcr-restore" --json "$@" "$T/x1.ckpt"
    vm_adopt again "$(jq -r .pid <<<"$output")"
    dir=$(jq -r .dir <<<"$output")
    ln -sf "$dir/vm.serial" "$T/again.serial"
    goes_on_from again "$least" "$most"
}

free_port() {
    local port
    while port=$((20000 + RANDOM % 20000)); (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; do :; done
    echo "$port"
}
