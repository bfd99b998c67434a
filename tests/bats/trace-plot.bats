#!/usr/bin/env bats
# qemu: none
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# mplcr-trace plot, and the scripts of contrib/ for QEMUs with probes.

load helpers
load trigger # says

# What is started here is waited for: to look through all processes for leaks would take longer than the tests.
teardown() { rm -rf -- "$T"; }

fixtures=$project/tests/fixtures

plot() {
    local expected=$1
    shift
    run_tool "$expected" "$BIN/mplcr-trace" plot --quiet "$@"
}

# shows TEXT…: each stands in the picture $T/out.svg.
shows() {
    local text
    for text; do
        grep -qF -- ">$text<" "$T/out.svg" || fail "the picture lacks '$text': $(grep -o '>[^<>]*</text>' "$T/out.svg" | xargs)"
    done
}

lacks() {
    if grep -qF -- ">$1<" "$T/out.svg"; then fail "the picture has '$1'"; fi
}

# The width and height of a PNG.
png_size() { od -An -j16 -N8 -tu1 "$1" | awk '{print $1 * 16777216 + $2 * 65536 + $3 * 256 + $4, $5 * 16777216 + $6 * 65536 + $7 * 256 + $8}'; }

# --- what is drawn --------------------------------------------------------------------------------------------------

@test "each kind of log as SVG: with what it tells, and units" {
    plot 0 --output "$T/out.svg" "$fixtures/precopy.ckpt"
    [ -z "$output$stderr" ]
    shows precopy.ckpt "Memory still to be sent, MiB" "Bandwidth, MiB/s" "Phases, s" "time, s" "The pause, ms" \
        "time since the guest was stopped, ms" setup live pause "before freeze" freeze "after freeze"
    lacks iteration
    plot 0 --force --output "$T/out.svg" "$fixtures/background.ckpt"
    shows pause copy
    plot 0 --force --output "$T/out.svg" "$fixtures/migration-default.stap.log"
    shows "Memory still to be sent, MiB" "Bandwidth, MiB/s" iteration
    lacks "The pause, ms"
    plot 0 --force --output "$T/out.svg" "$fixtures/mplcr-run.log"
    shows "mplcr-run.log #1" "mplcr-run.log #2" "Memory still to be sent, MiB" iteration
    lacks "Phases, s"
    plot 0 --force --output "$T/out.svg" "$fixtures/qemu-10.0-precopy.log"
    shows "Memory still to be sent, MiB" "time, s" "Phases, s"
}

@test "the pause and its parts, as the summary has them" {
    local part ms parts=''
    plot 0 --output "$T/out.svg" "$fixtures/precopy.ckpt"
    while read -r part ms; do
        grep -qE ">precopy.ckpt, .*${part/_/ } $(LC_ALL=C printf '%.1f' "$ms") ms[,<]" "$T/out.svg" ||
            fail "$part, $ms ms: $(grep -o '>precopy.ckpt, [^<]*' "$T/out.svg")"
        parts+=" $part"
    done < <("$BIN/mplcr-trace" summary --json "$fixtures/precopy.ckpt" |
        jq -r '.checkpoints[0].phases[].parts // empty | .[] | "\(.name) \(.duration_ms)"')
    assert_equal "$parts" " before_freeze freeze after_freeze"
    # as a whole, what the checkpoint says
    grep -q ">precopy.ckpt, $(jq .pause_ms "$fixtures/precopy.ckpt/checkpoint.json" | LC_ALL=C xargs printf '%.1f') ms: before" "$T/out.svg"
}

@test "several logs in one picture: each with a colour and dashes of its own, over times and over iterations" {
    plot 0 --output "$T/out.svg" "$fixtures"/{precopy.ckpt,background.ckpt,migration-default.stap.log}
    shows precopy.ckpt background.ckpt migration-default.stap.log "time, s" iteration
    # lines of curves: stroke and dashes
    for colour in '0, *114, 178' '213, *94, *0' '*0, 158, 115'; do
        grep -qE "rgb\( *${colour//\*/ *}\)" "$T/out.svg" || fail "no curve with colour $colour"
    done
    [ "$(grep -oE "stroke-dasharray='[^']*'" "$T/out.svg" | sort -u | wc -l)" -ge 2 ]
}

@test "two logs of one name are told apart; more than seven checkpoints are said to be left out" {
    mkdir "$T/a" "$T/b"
    cp "$fixtures/mplcr-run.log" "$T/a/x.log"
    cp "$fixtures/migration-default.stap.log" "$T/b/x.log"
    (cd "$T" && "$BIN/mplcr-trace" plot -q --output out.svg a/x.log b/x.log)
    shows "a/x.log #1" "a/x.log #2" b/x.log
    run_tool 0 "$BIN/mplcr-trace" plot --force --output "$T/out.svg" "$fixtures/mplcr-run.log"{,,,}
    says "drew 7 checkpoints, left out 1"
    plot 0 --force --output "$T/out.svg" --checkpoint 2 "$fixtures/mplcr-run.log"
    shows "mplcr-run.log #2"
    lacks "mplcr-run.log #1"
    plot 3 --force --output "$T/out.svg" --checkpoint 3 "$fixtures/mplcr-run.log"
    says "there is no checkpoint 3"
}

@test "--only" {
    plot 0 --output "$T/out.svg" --only pause --only pending "$fixtures/precopy.ckpt"
    shows "The pause, ms" "Memory still to be sent, MiB"
    lacks "Bandwidth, MiB/s"
    lacks "Phases, s"
    plot 3 --only pause "$fixtures/mplcr-run.log"
    says "nothing to draw"
    plot 2 --only everything "$fixtures/mplcr-run.log"
    says "'everything' is not pending, bandwidth, phases or pause"
}

# --- where it goes --------------------------------------------------------------------------------------------------

@test "PNG and SVG, by the name of the file or --type, into a file or standard output" {
    plot 0 --output "$T/out.png" "$fixtures/precopy.ckpt"
    [ "$(od -An -N8 -tx1 "$T/out.png" | tr -d ' ')" = 89504e470d0a1a0a ]
    [ "$(png_size "$T/out.png" | cut -d ' ' -f 1)" -ge 1200 ]
    plot 0 --output - --type png "$fixtures/precopy.ckpt"
    cmp "$T/.tool/out" "$T/out.png"
    plot 0 --type svg --output "$T/picture" "$fixtures/precopy.ckpt"
    plot 0 "$fixtures/precopy.ckpt"
    [[ $output == '<?xml'*'</svg>' ]]
    cmp "$T/.tool/out" "$T/picture"
    plot 2 --output "$T/out.jpg" "$fixtures/precopy.ckpt"
    says "cannot tell the type of picture from the name '$T/out.jpg'"
    plot 2 --type gif "$fixtures/precopy.ckpt"
    plot 2 --terminal --output "$T/x.svg" "$fixtures/precopy.ckpt"
    run_tool_stdin 0 "$BIN/mplcr-trace" plot -q --only pause <"$fixtures/precopy.ckpt/trace.jsonl"
    [[ $output == *'>standard input, '* ]]
}

@test "a file that exists is not written over without --force, and is whole or not there" {
    echo mine >"$T/out.svg"
    plot 3 --output "$T/out.svg" "$fixtures/precopy.ckpt"
    says "'$T/out.svg' exists"
    says "hint: --force overwrites it"
    [ "$(<"$T/out.svg")" = mine ]
    plot 0 --force --output "$T/out.svg" "$fixtures/precopy.ckpt"
    shows precopy.ckpt
    plot 3 --output "$T/none/out.svg" "$fixtures/precopy.ckpt"
    says "'$T/none/out.svg"
    plot 3 --output "$T/new.svg" "$T/no.log"
    assert_equal "$(find "$T" -path "$T/.tool" -prune -o -type f -printf '%P\n')" out.svg
}

@test "--terminal: letters, no wider than the terminal" {
    plot 0 --terminal "$fixtures/precopy.ckpt" "$fixtures/migration-default.stap.log"
    for text in "Memory still to be sent, MiB" "Bandwidth, MiB/s" "time, s" iteration "Phases, s" "The pause, ms"; do
        [[ $output == *"$text"* ]] || fail "no '$text': $output"
    done
    [ "$(awk '{ if (length > most) most = length } END { print most }' <<<"$output")" -le 80 ]
    if grep -qE $'[\f\e\x80-\xff]| $' <<<"$output"; then fail "bytes for printers, or blanks at ends: $output"; fi
    # a terminal as standard output is drawn on without being asked for, in its width
    script -qec "stty cols 120 rows 50; '$BIN/mplcr-trace' plot -q '$fixtures/precopy.ckpt'" /dev/null <<<'' | tr -d '\r' >"$T/drawn"
    grep -q 'Memory still to be sent, MiB' "$T/drawn"
    [ "$(awk '{ if (length > most) most = length } END { print (most > 100 && most <= 120) }' "$T/drawn")" = 1 ]
}

@test "without gnuplot, a true message" {
    mkdir "$T/empty"
    run_tool 3 env PATH="$T/empty" "$BIN/mplcr-trace" plot --output "$T/out.svg" "$fixtures/precopy.ckpt"
    says "cannot draw: gnuplot is not installed"
    says "hint: install it (Debian: gnuplot-nox"
    [ ! -e "$T/out.svg" ] && [ ! -e "$T/out.svg.partial" ]
    # and with one that fails, its words
    printf '#!/bin/sh\necho "no fonts here" >&2\nexit 1\n' >"$T/empty/gnuplot"
    chmod +x "$T/empty/gnuplot"
    run_tool 3 env PATH="$T/empty" "$BIN/mplcr-trace" plot "$fixtures/precopy.ckpt"
    says "gnuplot failed: no fonts here"
}

# --- hostile logs and names -----------------------------------------------------------------------------------------

@test "no name of a file commands gnuplot" {
    local name=$'a\'`touch p1`"; system("touch p2") # {/Bold b}_c^d@e$f\\\n<b>&\x80\e[2J\'\'; set output "p3"\n!touch p4\n'
    name=${name//\//:}
    mkdir "$T/in"
    cp "$fixtures/migration-default.stap.log" "$T/in/$name"
    cd "$T/in"
    plot 0 --terminal -- "$name"
    plot 0 --type svg -- "$name" "./$name"
    plot 0 --type svg -- "$name"
    [[ $output != *'<b>'* && $output == *">a'\`touch p1\`"* ]] || fail "$(grep touch <<<"$output")"
    assert_equal "$(find . -type f -printf x)" x
}

@test "figures that nothing can draw do not stop it" {
    cat >"$T/x.jsonl" <<'EOF'
{"event":"pending","line":1,"checkpoint":1,"time_ms":1e300,"pending_bytes":9223372036854775807}
{"event":"stop","line":2,"checkpoint":1,"time_ms":1e307}
{"event":"resume","line":3,"checkpoint":1,"time_ms":-1e307}
{"event":"transferred","line":4,"checkpoint":1,"bandwidth_bytes_per_second":-1,"time_ms":-5}
{"event":"pending","line":5,"checkpoint":2,"time_ms":0,"pending_bytes":0}
{"event":"stop","line":6,"checkpoint":2,"time_ms":0}
{"event":"resume","line":7,"checkpoint":2,"time_ms":0}
EOF
    for type in --type=svg --terminal; do
        plot 0 "$type" "$T/x.jsonl"
    done
}

# --- probes ---------------------------------------------------------------------------------------------------------

# make_probes [OPTION]: $T/qemu, a program with the probes of QEMU 10, or with -DOLD those of 2.9, that makes one migration.
make_probes() {
    echo '#include <sys/sdt.h>' | gcc -E -x c - >/dev/null 2>&1 || skip "the probes cannot be made here (no sys/sdt.h)"
    gcc -g -x c -o "$T/qemu" "$@" - <<'EOF'
#include <string.h>
#include <sys/sdt.h>
#include <unistd.h>
#define MARK(name) DTRACE_PROBE(qemu, name)
static __attribute__((noinline)) void qmp_migrate(const char *uri) { __asm__ volatile("" : : "r"(uri)); }
static __attribute__((noinline)) void section(const char *id, const char *description, long number)
{
    DTRACE_PROBE2(qemu, savevm_section_start, id, number);
    DTRACE_PROBE2(qemu, vmstate_save, id, description);
    DTRACE_PROBE3(qemu, savevm_section_end, id, number, 0);
}
int main(void)
{
    unsigned long bytes = 12751480, ms = 144, most = 26565583, pending = 671830016, none = 0;
    /* On the stack, which is in memory already: a probe cannot wait for a page to be read from the file. */
    char setup[] = "setup", completed[] = "completed", id[] = "slirp", device[] = "0000:00:03.0/virtio-net", virtio[] = "virtio-net";
    usleep(200000);
    qmp_migrate("fd:migrate");
    MARK(savevm_state_header);
    MARK(migration_bitmap_sync_start);
    DTRACE_PROBE1(qemu, migration_bitmap_sync_end, ms);
#ifdef OLD
    double bandwidth = (double)bytes / ms;
    DTRACE_PROBE1(qemu, migrate_set_state, 1L);
    MARK(savevm_state_begin);
    DTRACE_PROBE4(qemu, migrate_pending, pending, most, pending, none);
    DTRACE_PROBE4(qemu, migrate_transferred, bytes, ms, bandwidth, most);
#else
    unsigned long bandwidth = bytes / ms;
    DTRACE_PROBE1(qemu, migrate_set_state, &setup[0]);
    MARK(savevm_state_setup);
    DTRACE_PROBE3(qemu, migrate_pending_exact, pending, pending, none);
    DTRACE_PROBE3(qemu, migrate_pending_estimate, pending, pending, none);
    DTRACE_PROBE5(qemu, migrate_transferred, bytes, ms, bandwidth, none, most);
    DTRACE_PROBE1(qemu, migration_completion_vm_stop, 0L);
#endif
    MARK(migration_thread_setup_complete);
    MARK(savevm_state_iterate);
    MARK(migration_throttle);
    DTRACE_PROBE1(qemu, migration_thread_low_pending, none);
    MARK(savevm_state_complete_precopy);
    section(device, virtio, 3);
    DTRACE_PROBE2(qemu, savevm_section_skip, &id[0], 4L);
    DTRACE_PROBE1(qemu, migrate_set_state, &completed[0]);
    MARK(migration_thread_after_loop);
    MARK(savevm_state_cleanup);
    return 0;
}
EOF
}

@test "contrib: bpftrace takes the script, and what it prints of a QEMU is read" {
    require bpftrace "the script is checked by bpftrace"
    [[ $EUID -eq 0 ]] || skip "bpftrace wants root"
    make_probes
    timeout 20 bpftrace -q -c "$T/qemu" "$project/contrib/mplcr-migration.bt" "$T/qemu" >"$T/log" 2>"$T/said" 3>&- || true
    if ! grep -q 'savevm_state_header' "$T/log"; then
        # Where the kernel lets nobody attach, the script is at least compiled.
        timeout 20 bpftrace -d "$project/contrib/mplcr-migration.bt" "$T/qemu" >/dev/null 2>"$T/said" 3>&- || fail "$(<"$T/said")"
        skip "this kernel attaches no probes: $(tail -n 1 "$T/said")"
    fi
    grep -qE '^[0-9]+@[0-9]+\.[0-9]{6}:migrate_transferred transferred 12751480 time_spent 144 bandwidth 88551 ' "$T/log"
    run_tool 0 "$BIN/mplcr-trace" parse --unknown "$T/log"
    assert_equal "$(jq -r .event <<<"$output" | sort | uniq -c |
        awk '/unknown|pending|transferred|vmstate|sync|iteration|throttle|done/ {print $2, $1}' | xargs)" \
        "done 1 iteration 1 pending 2 sync 1 throttle 1 transferred 1 vmstate 1"
    jq -e -s 'any(.time_ms > 0) and (map(select(.event == "transferred").bandwidth_bytes_per_second) == [88551000])' \
        <<<"$output" >/dev/null || fail "$output"
    assert_equal "$(jq -r 'select(.event == "vmstate") | "\(.name) \(.description)"' <<<"$output")" "0000:00:03.0/virtio-net virtio-net"
}

# stap_pass N: SystemTap takes the script, of a QEMU with the probes of $T/qemu.
stap_pass() {
    # A kernel to build for is not there, and not needed to parse a script and to find the probes in a program.
    mkdir -p "$T/kernel/include/config"
    printf 'CONFIG_%s=y\n' MODULES TRACEPOINTS UPROBES ARCH_SUPPORTS_UPROBES UPROBE_EVENTS >"$T/kernel/.config"
    touch "$T/kernel/Makefile" "$T/kernel/Module.symvers"
    uname -r >"$T/kernel/include/config/kernel.release"
    HOME=$T run_tool 0 stap "-p$1" -r "$T/kernel" "$project/contrib/mplcr-migration.stp" "$T/qemu"
}

@test "contrib: SystemTap takes the script, and finds all probes of a QEMU, old or new" {
    require stap "the script is checked by stap"
    printf '#!/bin/true\n' >"$T/qemu"
    stap_pass 1
    local names=(savevm_state_{header,iterate,complete_precopy,cleanup} migration_bitmap_sync_{start,end}
        migration_thread_{setup_complete,low_pending,after_loop} migration_throttle savevm_section_{start,end,skip}
        vmstate_save migrate_set_state migrate_transferred)
    make_probes -DOLD
    stap_pass 2
    # one place in the program for each of them, a second one for migrate_set_state, and a function
    assert_equal "$(grep -c "^process(\"$T/qemu\").*pc=" <<<"$output")" $((${#names[@]} + 1 + 1 + 2)) # begin, pending
    make_probes
    stap_pass 2
    assert_equal "$(grep -c "^process(\"$T/qemu\").*pc=" <<<"$output")" $((${#names[@]} + 1 + 1 + 4)) # setup, vm_stop, two pending
}

# --- the vocabulary -------------------------------------------------------------------------------------------------

@test "the man page names every event and every field that the logs give" {
    local log name
    for log in "$fixtures"/*; do
        "$BIN/mplcr-trace" parse -q --unknown "$log"
    done | jq -r '.event, keys[]' | sort -u >"$T/names"
    [ "$(wc -l <"$T/names")" -gt 40 ]
    while read -r name; do
        grep -qxE "\.It Cm $name( .*)?|\.Cm $name( .*)?" "$project/man/mplcr-trace.1" || fail "mplcr-trace(1) lacks $name"
    done <"$T/names"
}
