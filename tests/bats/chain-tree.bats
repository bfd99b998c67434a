#!/usr/bin/env bats
# qemu: none
# SPDX-License-Identifier: MIT
#
# mplcr-chain tree: the forest of images and checkpoints, as a picture, a graph and JSON.

# shellcheck disable=SC2154  # output, stderr, lines: helpers.bash

load helpers
load filesystems

teardown() {
    fs_end
    scratch_end
}

# overlay NAME BACKING [FORMAT]: below $T/f
overlay() { (cd "$T/f" && qemu-img create -q -u -f qcow2 -b "$2" -F "${3:-qcow2}" "$1" 64M); }

# picture: the lines of the picture without the headings, drawn with letters
picture() {
    LC_ALL=C run_tool 0 mplcr-chain tree --quiet "$T/f"
    assert_equal "$stderr" ''
    lines=("${lines[@]:2}")
}

# line NAME: the line of the picture with that name in it
line() { grep -F -- "$1" <<<"$output"; }

# image NAME FILTER: of the JSON
image() { jq -r --arg p "$T/f/$1" ".images[] | select(.path == \$p) | $2" <<<"$output"; }

make_chain() { "$BUILD/tests/tools/make-chain" "$@"; }

@test "tree: a chain of fifty overlays is a list, indented nowhere, in 80 columns" {
    local i
    mkdir "$T/f"
    make_chain "$T/f" 1 51
    picture
    assert_equal "${#lines[@]}" 51
    [[ ${lines[0]} == '# vm0_0.qcow2 '* ]]
    for ((i = 1; i < 51; i++)); do
        [[ ${lines[i]} == "o vm0_$i.qcow2 "* ]]
    done
    [[ ${lines[50]} == *leaf ]]
    assert_equal "$(grep -c leaf <<<"$output")" 1
    assert_equal "$(grep -E '.{81}' <<<"$output")" ''
}

@test "tree: fifty checkpoints with a restored VM each stay in 80 columns, however long their names are" {
    local i long
    long=$(printf 'n%.0s' {1..150})
    mkdir "$T/f" "$T/f/$long"
    make_chain "$T/f" 1 50
    for ((i = 0; i < 50; i++)); do
        overlay "$long/run-$i.ovl" "../vm0_$i.qcow2"
    done
    picture
    assert_equal "$(grep -E '.{81}' <<<"$output")" ''
    [[ $(line vm0_49.qcow2) == 'o '* ]]
    [[ $(line run-3.ovl) == '|-o '*...* ]]
    LC_ALL=C.UTF-8 run_tool 0 mplcr-chain tree --quiet "$T/f"
    [[ $(line run-3.ovl) == '├─● '* ]]
    assert_equal "$(LC_ALL=C.UTF-8 grep -E '.{81}' <<<"$output")" ''
}

@test "tree: branches, broken images, what lies elsewhere, names from strangers" {
    mkdir "$T/f" "$T/elsewhere"
    truncate -s 1M "$T/f/base.img" "$T/elsewhere/lone.img"
    overlay a.ovl base.img raw
    overlay b1.ovl a.ovl
    overlay b2.ovl a.ovl
    overlay c.ovl "$T/elsewhere/lone.img" raw
    overlay lost.ovl nowhere.img raw
    overlay x.ovl y.ovl
    overlay y.ovl x.ovl
    overlay far.ovl nbd://example.org/disk raw
    overlay $'evil\e[2J"\\.ovl' base.img raw
    picture
    [[ $(line base.img) == '# '*raw ]]
    [[ $(line 'b1.ovl') == '|-o '*leaf ]]
    [[ $(line 'b2.ovl') == '`-o '*leaf ]]
    [[ $(line 'lost.ovl') == '! '*broken,\ leaf ]]
    [[ $output == *"its backing file 'nowhere.img' is missing"* ]]
    [[ $output == *"'"?.ovl"' leads back to it: a cycle"* ]]
    [[ $output == *"on nbd://"* ]]
    [[ $output == *lone.img* && $output == *'evil\x1b[2J"\.ovl'* && $output != *$'\e'* ]]
    run_tool 0 mplcr-chain tree "$T/f"
    [[ $stderr == 'mplcr-chain: 11 images ('*' stored), 0 checkpoints, 2 broken' ]]

    run_tool 0 mplcr-chain tree --json --quiet "$T/f"
    assert_equal "$(jq -r .schema <<<"$output")" mplcr.chain.tree/1
    assert_equal "$(image b1.ovl .stands_on)" "$T/f/a.ovl"
    assert_equal "$(image b1.ovl .leaf)" true
    assert_equal "$(image a.ovl '"\(.leaf) \(.virtual_bytes) \(.backing_name)"')" 'false 67108864 base.img'
    assert_equal "$(image ../elsewhere/lone.img .outside)" ''
    assert_equal "$(jq -r '.images[] | select(.outside).path' <<<"$output")" "$T/elsewhere/lone.img"
    assert_equal "$(image lost.ovl .fault)" "its backing file 'nowhere.img' is missing"
    assert_equal "$(jq '[.images[] | select(.fault)] | length' <<<"$output")" 2
}

@test "tree --dot: a graph that graphviz draws, names escaped" {
    require dot "it draws the graph"
    mkdir "$T/f"
    truncate -s 1M "$T/f/base.img"
    overlay a.ovl base.img raw
    overlay $'evil\n"];\\N<b>\xff.ovl' a.ovl
    run_tool 0 mplcr-chain tree --dot --quiet "$T/f"
    dot -Tsvg <<<"$output" >"$T/out.svg" 2>"$T/dot.err"
    assert_equal "$(<"$T/dot.err")" ''
    assert_equal "$(grep -c 'class="node"' "$T/out.svg")" 3
    assert_equal "$(grep -c 'class="edge"' "$T/out.svg")" 2
    grep -qF 'evil\x0a&quot;];\N&lt;b&gt;' "$T/out.svg"
}

# checkpoint DIR FROZEN: one that froze that image, by hand (jq would round the time)
checkpoint() {
    local name=${1##*/} mtime
    mtime=$(stat -c %.9Y "$2")
    mkdir -p "$1/ram"
    cat >"$1/checkpoint.json" <<END
{"schema": "mplcr.trigger.checkpoint/1", "name": "${name%.ckpt}", "checkpoint": "$1", "engine": "stop",
 "layout": "pages", "created": "2026-01-02T03:04:05.678Z", "pause_ms": 1.0, "total_ms": 1.0, "state_bytes": 1,
 "qemu": {"version": "7.2.0", "machine": "pc", "memory": 4096}, "ram_blocks": [], "files": [],
 "disks": [{"device": "d0", "virtual_size": 1048576, "chain": [{"path": "$2", "format": "qcow2", "identity":
   {"size": $(stat -c %s "$2"), "mtime_ns": ${mtime/./}, "header_xxh3": "00000000000000000000000000000000"}}]}]}
END
}

@test "tree: checkpoints, what they froze, and what of them is no image of its own" {
    mkdir "$T/f" "$T/f/x3.ckpt.partial"
    make_chain "$T/f" 1 4
    checkpoint "$T/f/x1.ckpt" "$T/f/vm0_1.qcow2"
    checkpoint "$T/f/x2.ckpt" "$T/f/vm0_2.qcow2"
    cp "$T/f/vm0_0.qcow2" "$T/f/x1.ckpt/ram/pc.ram"
    picture
    [[ $(line vm0_1.qcow2) == *'frozen by x1' ]]
    [[ $(line vm0_2.qcow2) == *'frozen by x2' ]]
    [[ $(line 'x1 ') == '* x1 '*' 2026-01-02T03:04:05 '*' x1.ckpt' ]]
    [[ $(line 'x3.ckpt.partial ') == '! x3'* ]]
    [[ $(tr -s ' \n' ' ' <<<"$output") == *'a checkpoint that was not finished'* ]]
    [[ $output != *pc.ram* ]]

    touch "$T/f/vm0_1.qcow2"
    rm "$T/f/vm0_2.qcow2"
    run_tool 0 mplcr-chain tree --json "$T/f"
    [[ $(jq -r '.checkpoints[] | select(.name == "x1").fault' <<<"$output") == *"was changed since" ]]
    [[ $(jq -r '.checkpoints[] | select(.name == "x2").fault' <<<"$output") == *"is missing" ]]
    assert_equal "$(image vm0_1.qcow2 '.frozen_by[0]')" x1
}

@test "tree: a read-only snapshot of the whole image directory inside a checkpoint belongs to it" {
    fs_mount btrfs "$T/b"
    btrfs -q subvolume create "$T/b/disks"
    make_chain "$T/b/disks" 1 2
    mkdir "$T/b/disks/x0.ckpt"
    checkpoint "$T/b/x1.ckpt" "$T/b/disks/vm0_1.qcow2"
    btrfs -q subvolume snapshot -r "$T/b/disks" "$T/b/x1.ckpt/disks"
    run_tool 0 mplcr-chain tree --json "$T/b"
    assert_equal "$(jq -c '[.images[].path[('"${#T}"' + 3):]]' <<<"$output")" \
        '["disks/vm0_0.qcow2","disks/vm0_1.qcow2","x1.ckpt/disks/vm0_0.qcow2","x1.ckpt/disks/vm0_1.qcow2"]'
    assert_equal "$(jq -c '.images | map(.inside // "-")' <<<"$output")" "[\"-\",\"-\",\"$T/b/x1.ckpt\",\"$T/b/x1.ckpt\"]"
    assert_equal "$(jq -r '.images[3].stands_on' <<<"$output")" "$T/b/x1.ckpt/disks/vm0_0.qcow2"
    assert_equal "$(jq -r '.checkpoints[].name' <<<"$output")" $'x0.ckpt\nx1'
    btrfs -q subvolume delete "$T/b/x1.ckpt/disks"
}

@test "tree: what a running VM writes to, with its process" {
    mkdir "$T/f"
    make_chain "$T/f" 1 2
    "$QEMU" -S -nodefaults -display none -qmp "unix:$T/vm1.qmp,server=on,wait=off" \
        -drive "file=$T/f/vm0_1.qcow2,format=qcow2,if=virtio" >"$T/vm1.log" 2>&1 3>&- &
    echo $! >"$T/vm1.pid"
    vm_wait_monitor vm1
    picture
    [[ $(line vm0_1.qcow2) == *"active (pid $(<"$T/vm1.pid"))" ]]
}

@test "tree: ten thousand images in a moment" {
    mkdir "$T/f"
    make_chain "$T/f" 100 100
    TOOL_TIMEOUT=30 run_tool 0 mplcr-chain tree "$T/f" # a fifth of a second on a quiet machine
    [[ $stderr == *'10000 images '* ]]
}

@test "tree: usage, and directories that are not there" {
    run_tool 2 mplcr-chain tree
    run_tool 2 mplcr-chain tree --dot --json "$T"
    run_tool 3 mplcr-chain tree "$T/nowhere"
    [[ $stderr == *"cannot read '$T/nowhere': No such file or directory" ]]
    run_tool 0 mplcr-chain tree --quiet "$T"
    assert_equal "$output" ''
}
