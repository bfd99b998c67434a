#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: both
#
# mplcr-state info: what is in checkpoints and in files that others saved.

load helpers
load restore
load state

@test "info: the same VM as a checkpoint of each layout, as a stream, compressed, and as libvirt saves it" {
    local i whole
    saved_vm
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x1 --quiet
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x2 --quiet --layout stream --compress zstd
    vm_save "$T/vm1.qmp" "$T/plain"
    zstd -q "$T/plain" -o "$T/zstd"
    gzip -1 <"$T/plain" >"$T/gzip"
    xz -0 <"$T/plain" >"$T/xz"
    libvirt_head "$T/save" 0 1
    cat "$T/plain" >>"$T/save"
    libvirt_head "$T/save.gz" 1 1
    cat "$T/gzip" >>"$T/save.gz"
    for i in plain zstd gzip xz save save.gz; do
        run_tool 0 mplcr-state info --json "$T/$i"
        assert_equal "$(jq -r '.schema, .run_state, (.ram_blocks[] | select(.name == "pc.ram").size)' <<<"$output" | xargs)" \
            'mplcr.state.info/1 paused 134217728'
        whole=${whole:-$(jq -c '[.machine, .ram_blocks, .devices]' <<<"$output")}
        assert_equal "$(jq -c '[.machine, .ram_blocks, .devices]' <<<"$output")" "$whole"
    done
    assert_equal "$(jq -r '.kind, .compression' <<<"$output" | xargs)" 'libvirt gzip'
    [[ $(jq -r .machine <<<"$output") == pc-i440fx-* ]]
    # each byte of a block is stored, zero or a hole
    assert_equal "$(jq '[.ram_blocks[] | .size - .stored - .zero - .holes] | unique[]' <<<"$output")" 0
    for i in x1 x2; do
        run_tool 0 mplcr-state info --json "$T/$i.ckpt"
        assert_equal "$(jq -r '.kind, .run_state' <<<"$output" | xargs)" 'checkpoint running'
        assert_equal "$(jq -r .qemu_version <<<"$output")" "$(jq -r .qemu.version "$T/$i.ckpt/checkpoint.json")"
        assert_equal "$(jq -c '[.devices[].name]' <<<"$output")" "$(jq -c '[.[2][].name]' <<<"$whole")"
        assert_equal "$(jq '[.ram_blocks[] | .size - .stored - .zero - .holes] | unique[]' <<<"$output")" 0
    done
    run_tool 0 mplcr-state info "$T/x1.ckpt"
    assert_line --regexp '^machine +pc-i440fx-'
    assert_line --regexp '^pc\.ram +128\.0 MiB '
    assert_line --regexp '^globalstate +0 +1 '
}

@test "info --device: fields by name, decoded; the list; what is not there" {
    saved_vm
    vm_save "$T/vm1.qmp" "$T/plain"
    run_tool 0 mplcr-state info --device globalstate "$T/plain"
    assert_line --regexp "^  runstate +buffer +'paused'$"
    run_tool 0 mplcr-state info "$T/plain" --json --device cpu:0
    assert_equal "$(jq -r '.schema, (.devices | length), .devices[0].name' <<<"$output" | xargs)" 'mplcr.state.devices/1 1 cpu'
    # a guest of 32 bits that stands in its program, above 1 MiB
    (($(jq '.devices[0].fields[] | select(.name == "env.eip").value' <<<"$output") > 0x100000))
    # the fields take all of the device but what introduces subsections
    (($(jq '.devices[0] | .size - ([.fields[].size] | add)' <<<"$output") >= 0))
    run_tool 0 mplcr-state info "$T/plain" --device
    assert_line --regexp '^cpu +0 +12 '
    run_tool 0 mplcr-state info --device "$T/plain"
    assert_line --regexp '^cpu +0 +12 '
    run_tool 0 mplcr-state info --device -j "$T/plain"
    [[ $(jq -r '.devices[].name' <<<"$output") == *globalstate* ]]
    run_tool 3 mplcr-state info --device tape "$T/plain"
    [[ $stderr == *"has no device 'tape'"*'--device without a name'* ]]
    run_tool 3 mplcr-state info --device cpu:7 "$T/plain"
}

@test "info: damaged and foreign files are refused with what is wrong" {
    saved_vm
    vm_save "$T/vm1.qmp" "$T/plain"
    head -c 10000000 "$T/plain" >"$T/cut"
    run_tool 3 mplcr-state info "$T/cut"
    [[ $stderr == *'is cut'* ]]
    gzip -1 <"$T/plain" | head -c 1000000 >"$T/cut.gz"
    run_tool 3 mplcr-state info "$T/cut.gz"
    [[ $stderr == *'unexpected end'* ]]
    echo hello >"$T/text"
    run_tool 3 mplcr-state info "$T/text"
    [[ $stderr == *'no migration stream'* ]]
    : >"$T/empty"
    run_tool 3 mplcr-state info "$T/empty"
    printf 'LibvirtQemudPart' >"$T/part"
    run_tool 3 mplcr-state info "$T/part"
    [[ $stderr == *'not finished'* ]]
    run_tool 3 mplcr-state info "$T/nothing"
    run_tool 3 mplcr-state info "$T"
    run_tool 2 mplcr-state info
    run_tool 2 mplcr-state info "$T/plain" "$T/cut"
    mkfifo "$T/fifo"
    run_tool 3 mplcr-state info "$T/fifo"
    [[ $stderr == *'not a regular file'* ]]
}

@test "info: files of a checkpoint that lead out of it, or do not fit" {
    saved_vm
    checkpoint x1
    mv "$T/x1.ckpt/ram/pc.ram" "$T/elsewhere"
    ln -s "$T/elsewhere" "$T/x1.ckpt/ram/pc.ram"
    run_tool 3 mplcr-state info "$T/x1.ckpt"
    rm "$T/x1.ckpt/ram/pc.ram"
    run_tool 3 mplcr-state info "$T/x1.ckpt"
    head -c 4096 "$T/elsewhere" >"$T/x1.ckpt/ram/pc.ram"
    run_tool 3 mplcr-state info "$T/x1.ckpt"
    [[ $stderr == *'has 4096 bytes'* ]]
}
