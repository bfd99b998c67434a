#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: none
#
# mplcr-chain verify of checkpoints: sound ones, moved ones, and one that is broken for each code.

load helpers
load chain

@test "a checkpoint that is sound, also with --sums, and after its tree was moved" {
    make_checkpoint
    sound x1.ckpt
    sound --sums x1.ckpt/
    mkdir "$T/new"
    mv "$T/x1.ckpt" "$T"/made.* "$T/new"
    sound new/x1.ckpt
    overlay new/made.img "$T/made.base" raw # a name that leads to where it was
    T=$T/new make_checkpoint_again
    alone N-MOVED new/x1.ckpt
    [[ $output == *"$T/new/made.img: it names its backing file where that was, '$T/made.base'"* ]]
}

# The checkpoint that stands in $T, made in the directory above, has the images that stand there now.
make_checkpoint_again() {
    sed -i "/made.img/s/\"identity\":{[^}]*}/\"identity\":$(identity "$T/made.img")/" "$T/x1.ckpt/checkpoint.json"
}

@test "an image that names its base by a relative name through the directory above" {
    make_checkpoint
    mkdir "$T/vm"
    overlay vm/made.img ../made.base raw
    edit "s#^\"chain\":.*#\"chain\":[$(image vm/made.img qcow2),#"
    sound x1.ckpt
    # the base lies where verify may not look: that is said, and nothing of a difference
    mv "$T/x1.ckpt" "$T/vm"
    T=$T/vm edit 's#"relative":"[^"]*",##'
    alone E-UNTRUSTED-PATH vm/x1.ckpt
}

@test "a chain of a checkpoint of which every name leads to where it was" {
    local i chain=''
    base c0 raw
    overlay c1 "$T/c0" raw
    for i in 2 3 4; do overlay c$i "$T/c$((i - 1))" qcow2; done
    make_checkpoint
    for i in 4 3 2 1; do chain+=$(image c$i qcow2),; done
    edit "s#^\"chain\":.*#\"chain\":[$chain$(image c0 raw)]}]}#; /made.base/d"
    sound x1.ckpt
    mkdir "$T/new"
    mv "$T/x1.ckpt" "$T"/c? "$T/new"
    finds N-MOVED new/x1.ckpt
    assert_equal "${#lines[@]}" 4
    rm "$T/new/c1" # it is looked for where it was, which is elsewhere now
    finds E-UNTRUSTED-PATH new/x1.ckpt
    assert_equal "${#lines[@]}" 3
    overlay new/c1 c0 raw
    finds E-BACKING-CHANGED new/x1.ckpt
    assert_equal "${#lines[@]}" 4
}

@test "E-CHECKPOINT, E-PARTIAL" {
    mkdir "$T/x.ckpt" "$T/x.ckpt.partial"
    alone E-CHECKPOINT x.ckpt
    echo '{' >"$T/x.ckpt/checkpoint.json"
    alone E-CHECKPOINT x.ckpt
    alone E-PARTIAL x.ckpt.partial/
}

@test "E-BACKING-CHANGED: frozen images that somebody wrote to; each is a finding of its own" {
    make_checkpoint
    touch "$T/made.img" "$T/made.base"
    finds E-BACKING-CHANGED x1.ckpt
    assert_equal "${#lines[@]}" 2
    [[ $output == *"$T/made.base: it was changed since checkpoint 'x1' froze it for disk 'drive0': its modification time"* ]]
}

@test "E-STATE-MISSING, E-STATE-SIZE, E-STATE-SUM, E-STATE-INCOMPLETE" {
    make_checkpoint
    poke x1.ckpt/ram/pc.ram 5000 01
    sound x1.ckpt
    alone E-STATE-SUM --sums x1.ckpt
    truncate -s 100 "$T/x1.ckpt/devices.vmstate"
    alone E-STATE-SIZE x1.ckpt
    rm "$T/x1.ckpt/ram/pc.ram"
    finds E-STATE-MISSING x1.ckpt
    assert_equal "${#lines[@]}" 2
    mkfifo "$T/x1.ckpt/ram/pc.ram"
    finds E-STATE-MISSING x1.ckpt
    rm "$T/x1.ckpt/ram/pc.ram"
    make_checkpoint
    edit 's/{"name":"devices.vmstate",[^}]*},//'
    alone E-STATE-INCOMPLETE x1.ckpt
    edit 's/{"name":"ram[^}]*}//'
    finds E-STATE-INCOMPLETE x1.ckpt
    assert_equal "${#lines[@]}" 2
    make_checkpoint
    edit 's/"layout":"pages"/"layout":"stream"/'
    alone E-STATE-INCOMPLETE x1.ckpt
}

@test "E-CHAIN-DIFFERS: a frozen image that was put on another" {
    make_checkpoint
    base other raw
    overlay made.img other raw
    make_checkpoint_again
    alone E-CHAIN-DIFFERS x1.ckpt
    base made.img
    make_checkpoint_again
    alone E-CHAIN-DIFFERS x1.ckpt
    [[ $output == *"its backing file is 'nothing'"* ]]
}

@test "E-DISK-SIZE, E-FROZEN-ACTIVE" {
    make_checkpoint
    edit 's/"virtual_size":1048576/"virtual_size":1048577/'
    alone E-DISK-SIZE x1.ckpt
    make_checkpoint
    edit "s#x1.ovl#made.img#"
    alone E-FROZEN-ACTIVE x1.ckpt
    edit 's/"read_only":false/"read_only":true/'
    sound x1.ckpt
}

@test "a checkpoint's images are missing, or not in its tree" {
    make_checkpoint
    mv "$T/made.base" "$T/gone"
    alone E-MISSING x1.ckpt
    mv "$T/gone" "$T/made.base"
    mkdir "$T/else"
    mv "$T/x1.ckpt" "$T/else"
    finds E-UNTRUSTED-PATH else/x1.ckpt
    assert_equal "${#lines[@]}" 2
    sound --trust-paths else/x1.ckpt
}

@test "N-LEFT-OUT, N-RECEIVER" {
    make_checkpoint
    edit 's/"layout":"pages"/"left_out":["drive7"],"layout":"pages"/'
    alone N-LEFT-OUT x1.ckpt
    edit 's/"left_out":.*$/"layout":"receiver","receiver":{"uri":"tcp:a:1"},/; s/"ram_blocks":\[[^]]*\]/"ram_blocks":[]/; s/^"files":.*/"files":[],/'
    alone N-RECEIVER x1.ckpt
}

@test "files that are included are looked at like those of the state" {
    make_checkpoint
    mkdir "$T/x1.ckpt/include"
    echo vars >"$T/x1.ckpt/include/vars.fd"
    edit "s#^\"files\":.*#&\"included\":[{\"path\":\"$T/vars.fd\",\"file\":\"include/vars.fd\",\"size\":5,\"xxh3\":\"$(
        xxhsum -H2 "$T/x1.ckpt/include/vars.fd" | cut -d ' ' -f 1)\"}],#"
    sound --sums x1.ckpt
    echo VARS >"$T/x1.ckpt/include/vars.fd"
    sound x1.ckpt
    alone E-STATE-SUM --sums x1.ckpt
    rm "$T/x1.ckpt/include/vars.fd"
    alone E-STATE-MISSING x1.ckpt
}

@test "an external data file that was changed, and one that was moved with its tree" {
    make_checkpoint
    base made.img qcow2 -o "data_file=$T/made.data,data_file_raw=on"
    edit "s#^\"chain\":.*#\"chain\":[$(image made.img qcow2 | sed 's/}$//'),\"data_file\":$(image made.data raw)}]}]}#; /made.base/d"
    sound x1.ckpt
    mkdir "$T/new"
    cp -a "$T/x1.ckpt" "$T"/made.* "$T/new"
    finds N-MOVED new/x1.ckpt
    [[ $output == *"it names its data file where that was, '$T/made.data'"* ]]
    assert_equal "${#lines[@]}" 1
    touch "$T/made.data"
    alone E-BACKING-CHANGED x1.ckpt
    [[ $output == *"/made.data: "* ]]
}

@test "images that a running VM merges: known by their numbers, and some may be gone from the chain" {
    local gone
    make_checkpoint
    gone=$(image made.img qcow2 | sed "s#made.img#gone.ovl#g; s#\"inode\":#\"inode\":1#")
    edit "s#^{\"path\":\"$T/made.base\"#$gone,\n&#"
    finds E-CHAIN-DIFFERS x1.ckpt
    edit 's#"format":"[a-z0-9]*","identity"#"merging":true,&#'
    finds N-MERGING x1.ckpt
    assert_equal "${#lines[@]}" 2
    touch "$T/made.img" "$T/made.base"
    chain 0 verify x1.ckpt
    chain 3 relocate --to "$T/new" x1.ckpt
    [[ $stderr == *"a running VM merges layers of disk 'drive0', or was to"* ]]
    # prune tells what they are now.
    chain 0 prune --keep 1 "$T"
    sound x1.ckpt
    chain 0 walk made.img
    assert_equal "$(jq '.disks[0].chain | length' "$T/x1.ckpt/checkpoint.json")" 2
    # Another file by that name is none of them.
    edit 's#"identity": *{#"merging":true,&#'
    cp -p "$T/made.img" "$T/other"
    mv "$T/other" "$T/made.img"
    finds E-BACKING-CHANGED x1.ckpt
}
