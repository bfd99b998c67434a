#!/usr/bin/env bats
# qemu: none
# SPDX-License-Identifier: MIT
#
# mplcr-chain verify --deep, seal and usage: what needs the whole of an image.

# shellcheck disable=SC2154  # output, stderr, lines: helpers.bash

load helpers
load chain

# two_layers: base.qcow2 with 3 MiB of data and top.ovl, which hides 1 MiB of that and adds 1 MiB
two_layers() {
    qemu-img create -q -f qcow2 "$T/base.qcow2" 16M
    qemu-io -c 'write -q -P 1 0 3M' "$T/base.qcow2"
    qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$T/top.ovl"
    qemu-io -c 'write -q -P 2 2M 2M' "$T/top.ovl"
}

# paused_vm IMAGE: a VM that has it open for writing
paused_vm() {
    "$QEMU" -S -nodefaults -display none -qmp "unix:$T/vm1.qmp,server=on,wait=off" \
        -drive "file=$1,format=qcow2,if=virtio" >"$T/vm1.log" 2>&1 3>&- &
    echo $! >"$T/vm1.pid"
    vm_wait_monitor vm1
}

# --- verify --deep --------------------------------------------------------------------------------------------------

@test "deep: sound images, each looked at once" {
    two_layers
    qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$T/other.ovl"
    run_tool 0 mplcr-chain verify --deep --json "$T/top.ovl" "$T/other.ovl" "$T/base.qcow2"
    assert_equal "$(jq -c '[.sound, .findings]' <<<"$output")" '[true,[]]'
}

@test "deep: leaks are a warning, damage and an image that cannot be checked are faults" {
    two_layers
    cp "$T/base.qcow2" "$T/leak.qcow2"
    cp "$T/base.qcow2" "$T/damaged.qcow2"
    # A cluster that is counted and used by nobody; and one that is used and counted by nobody.
    poke leak.qcow2 $((2 * 65536 + 2 * 2000)) 00 01
    poke damaged.qcow2 $((2 * 65536 + 2 * 6)) 00 00
    truncate -s 132000000 "$T/leak.qcow2"
    alone W-LEAKS --deep leak.qcow2
    assert_equal "$output" "W-LEAKS $T/leak.qcow2: it holds 1 cluster that nothing uses"
    chain 1 verify --deep --strict leak.qcow2
    sound damaged.qcow2
    alone E-CORRUPTIONS --deep damaged.qcow2 top.ovl
    [[ $output == *': qemu-img check finds 2 corruptions in it' ]]
    chain 1 verify --deep top.ovl damaged.qcow2 leak.qcow2
    assert_equal "$(cut -d ' ' -f 1 <<<"$output" | sort | tr '\n' ' ')" 'E-CORRUPTIONS W-LEAKS '
}

@test "deep: of formats without a check, and of encrypted images, it is said that they were not checked" {
    local format
    for format in vdi vpc qcow; do
        qemu-img create -q -f "$format" "$T/a.$format" 1M
    done
    truncate -s 1M "$T/a.raw"
    run_tool 0 mplcr-chain verify --deep "$T"/a.*
    assert_equal "$(grep -c ^N-NOT-CHECKED <<<"$output")" 2
    [[ $output == *"N-NOT-CHECKED $T/a.vpc: "* && $output == *"N-NOT-CHECKED $T/a.qcow: "* ]]
    make_encrypted "$T/luks.qcow2" 1M
    finds N-NOT-CHECKED --deep luks.qcow2
    [[ $output == *"N-NOT-CHECKED $T/luks.qcow2: it was not checked: it is encrypted"* ]]
}

@test "deep: a cycle, a name that leads elsewhere and a name with anything in it do no harm" {
    local odd=$T/$'odd, "name"\n\xff=json:.qcow2'
    qemu-img create -q -u -f qcow2 -b y.ovl -F qcow2 "$T/x.ovl" 1M
    qemu-img create -q -u -f qcow2 -b x.ovl -F qcow2 "$T/y.ovl" 1M
    TOOL_TIMEOUT=30 run_tool 1 mplcr-chain verify --deep "$T/x.ovl"
    [[ $output == *'E-CYCLE '* && $output != *CHECKED* ]]
    two_layers
    cp "$T/base.qcow2" "$odd"
    poke "${odd##*/}" $((2 * 65536 + 2 * 6)) 00 00
    chain 1 verify --deep "${odd##*/}"
    [[ $output == E-CORRUPTIONS* ]]
}

@test "deep: a check that takes too long, or too much, is a fault; a signal ends it" {
    # Two million clusters that are allocated and not written: half a second of work.
    qemu-img create -q -f qcow2 -o preallocation=metadata,cluster_size=4k "$T/big.qcow2" 16G
    alone E-NOT-CHECKED --deep --timeout 0.1 big.qcow2
    [[ $output == *': it could not be checked: qemu-img check did not end in time' ]]
    "$BIN/mplcr-chain" verify --deep "$T/big.qcow2" 2>"$T/err" 3>&- &
    until pgrep -P $! -x qemu-img >/dev/null; do sleep 0.01; done
    kill -TERM $!
    status=0
    wait $! || status=$?
    assert_equal "$status" 3
    assert_equal "$(<"$T/err")" "mplcr-chain: interrupted"
    run_tool 2 mplcr-chain verify --deep --timeout 0 "$T/big.qcow2"
}

@test "deep: an image that a VM writes to is neither sound nor unsound, and the VM is not disturbed" {
    two_layers
    paused_vm "$T/top.ovl"
    alone N-IN-USE --deep top.ovl
    vm_kill vm1
    sound --deep top.ovl
}

# --- seal -----------------------------------------------------------------------------------------------------------

@test "seal: what was changed since is found, whichever image it is, from overlays too" {
    two_layers
    chmod 640 "$T/top.ovl"
    run_tool 0 mplcr-chain seal "$T/top.ovl"
    assert_equal "$output" ''
    assert_equal "$stderr" "mplcr-chain: '$T/top.ovl' is sealed, 2 images"
    assert_equal "$(stat -c %a "$T/top.ovl.seal")" 640
    assert_equal "$(jq -r '"\(.schema) \(.images | length) \(.guest_xxh3)"' "$T/top.ovl.seal")" 'mplcr.chain.seal/1 2 null'
    qemu-img create -q -f qcow2 -b top.ovl -F qcow2 "$T/above.ovl"
    sound above.ovl

    cp -p "$T/base.qcow2" "$T/kept"
    touch -d '2020-01-01' "$T/base.qcow2"
    alone E-BACKING-CHANGED above.ovl
    [[ $output == "E-BACKING-CHANGED $T/base.qcow2: it was changed since it was sealed at 20"*": its modification time differs" ]]
    cp -p "$T/kept" "$T/base.qcow2"
    sound top.ovl
    qemu-img rebase -u -F qcow2 -b '' "$T/top.ovl"
    finds E-BACKING-CHANGED top.ovl
    [[ $output == *"E-BACKING-CHANGED $T/top.ovl: its chain has 0 images below it, and had 1 when it was sealed"* ]]
}

@test "seal: not twice without --force, not what is broken; --read-only takes the write bits" {
    two_layers
    run_tool 0 mplcr-chain seal --quiet "$T/base.qcow2"
    run_tool 3 mplcr-chain seal "$T/top.ovl" "$T/base.qcow2"
    [[ $stderr == *"'$T/base.qcow2' is already sealed"* && $stderr == *--force* ]]
    assert_not_exists "$T/top.ovl.seal"
    find "$T" -maxdepth 1 -type f -print0 | grep -zE 'top.ovl$' | mplcr-chain seal -q0 --force --read-only -
    assert_equal "$(stat -c %a "$T/top.ovl" "$T/base.qcow2" | tr '\n' ' ')" '444 444 '
    sound top.ovl
    rm "$T/base.qcow2"
    run_tool 3 mplcr-chain seal --force "$T/top.ovl"
    [[ $stderr == *"cannot open '$T/base.qcow2'"* ]]
    run_tool 2 mplcr-chain seal
    assert_equal "$(find "$T" -name '*.partial')" ''
}

@test "seal --digest: the sum of what a guest reads, whatever it is stored in" {
    local sum
    two_layers
    run_tool 0 mplcr-chain seal --quiet --digest "$T/top.ovl"
    qemu-img convert -O raw "$T/top.ovl" "$T/flat.raw"
    sum=$(xxhsum -q -H2 "$T/flat.raw" | cut -d ' ' -f 1)
    assert_equal "$(jq -r .guest_xxh3 "$T/top.ovl.seal")" "$sum"
    run_tool 0 mplcr-chain seal --quiet --digest "$T/flat.raw"
    assert_equal "$(jq -r .guest_xxh3 "$T/flat.raw.seal")" "$sum"
    qemu-img convert -c -O qcow2 "$T/top.ovl" "$T/compressed.qcow2"
    run_tool 0 mplcr-chain seal --quiet --digest "$T/compressed.qcow2"
    assert_equal "$(jq -r .guest_xxh3 "$T/compressed.qcow2.seal")" "$sum"
    sound --deep top.ovl flat.raw compressed.qcow2

    # A byte of data deep in the base, its time as it was: only the sum tells.
    poke base.qcow2 $(($(stat -c %s "$T/base.qcow2") - 2097152 - 4096)) 78
    sound top.ovl
    alone E-GUEST-DATA --deep top.ovl
    assert_equal "$(find /tmp -maxdepth 1 -name 'mplcr-nbd.*' -user "$EUID")" ''
}

@test "seal: an external data file is sealed with its image" {
    cd "$T"
    qemu-img create -q -f qcow2 -o data_file=data.raw,data_file_raw=on a.qcow2 1M
    chain 0 seal --read-only a.qcow2
    assert_equal "$(stat -c %a data.raw a.qcow2 | tr '\n' ' ')" '444 444 '
    chain 0 verify a.qcow2
    touch -d '2020-01-01' data.raw
    finds E-BACKING-CHANGED a.qcow2
    [[ $output == *"E-BACKING-CHANGED $T/data.raw: it was changed since it was sealed"* ]]
}

@test "seal: refused while a VM writes to the image" {
    two_layers
    paused_vm "$T/top.ovl"
    run_tool 3 mplcr-chain seal "$T/top.ovl"
    [[ $stderr == *"'$T/top.ovl' is in use: "*"process $(<"$T/vm1.pid")"* ]]
    assert_not_exists "$T/top.ovl.seal"
    run_tool 0 mplcr-chain seal --quiet --digest "$T/base.qcow2"
}

@test "seal: one from a stranger is looked at with care" {
    local text
    two_layers
    for text in '' '{' '[]' '{"schema": 1}' '{"schema": "mplcr.chain.seal/2", "sealed": "x", "images": [{}]}' \
        '{"schema": "mplcr.chain.seal/1", "sealed": "x", "images": []}' \
        '{"schema": "mplcr.chain.seal/1", "sealed": "x", "images": [{"path": "/", "format": "raw"}]}' \
        '{"schema": "mplcr.chain.seal/1", "sealed": "x", "guest_xxh3": "../../etc", "images": [{}]}'; do
        echo "$text" >"$T/top.ovl.seal"
        alone E-SEAL --deep top.ovl
        [[ $output == "E-SEAL $T/top.ovl: '$T/top.ovl.seal' is not a seal: "* ]]
    done
    rm "$T/top.ovl.seal"
    mkfifo "$T/top.ovl.seal"
    TOOL_TIMEOUT=30 alone E-SEAL top.ovl
}

# --- usage ----------------------------------------------------------------------------------------------------------

@test "usage: what each layer stores, shows and hides" {
    two_layers
    run_tool 0 mplcr-chain usage --json "$T/top.ovl"
    assert_equal "$(jq -c '[.schema, .in_use, (.layers[] | .stored_bytes, .visible_bytes, .shadowed_bytes)]' <<<"$output")" \
        '["mplcr.chain.usage/1",false,2097152,2097152,0,3145728,2097152,1048576]'
    assert_equal "$(jq -c '[.stored_bytes, .visible_bytes, .shadowed_bytes]' <<<"$output")" '[5242880,4194304,1048576]'
    saves=$(jq .flatten_saves_bytes <<<"$output") before=$(jq .file_bytes <<<"$output")
    qemu-img convert -O qcow2 "$T/top.ovl" "$T/flat.qcow2"
    after=$(stat -c %b "$T/flat.qcow2")
    difference=$((before - saves - after * 512))
    ((difference > -300000 && difference < 300000))
    run_tool 0 mplcr-chain usage "$T/top.ovl"
    [[ ${lines[1]} =~ ^top.ovl\ .*\ 2.0\ MiB\ +2.0\ MiB\ +0\ B$ ]]
    [[ ${lines[2]} =~ ^base.qcow2\ .*\ 3.0\ MiB\ +2.0\ MiB\ +1.0\ MiB$ ]]
    assert_equal "$(grep -E '.{81}' <<<"$output")" ''
}

@test "usage: while a VM writes to it; and never round a cycle" {
    two_layers
    paused_vm "$T/top.ovl"
    run_tool 0 mplcr-chain usage "$T/top.ovl"
    [[ $stderr == *'the figures are a snapshot in time' ]]
    vm_kill vm1
    qemu-img create -q -u -f qcow2 -b y.ovl -F qcow2 "$T/x.ovl" 1M
    qemu-img create -q -u -f qcow2 -b x.ovl -F qcow2 "$T/y.ovl" 1M
    TOOL_TIMEOUT=30 run_tool 3 mplcr-chain usage "$T/x.ovl"
    run_tool 2 mplcr-chain usage "$T/x.ovl" "$T/y.ovl"
}
