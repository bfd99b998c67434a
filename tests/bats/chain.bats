#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: none
#
# mplcr-chain walk, and what all verbs have in common.

load helpers
load chain

@test "walk prints a chain, top first, and data files behind their images" {
    mkdir "$T/d"
    base base raw
    overlay d/mid ../base raw
    overlay top d/mid qcow2
    chain 0 walk top
    assert_output_is "$T/top" "$T/d/mid" "$T/d/../base"
    assert_equal "$stderr" ''
    base data qcow2 -o "data_file=$T/data.raw"
    overlay a data qcow2
    chain 0 walk a
    assert_output_is "$T/a" "$T/data" "$T/data.raw"
}

assert_output_is() { assert_equal "$output" "$(printf '%s\n' "$@")"; }

@test "walk -0, and paths from standard input; shared images come once" {
    base base raw
    overlay 'a b' base raw
    overlay c base raw
    cd "$T"
    printf 'a b\0c\0' >list
    mplcr-chain walk -0 - <list >out
    printf '%s\0' "$T/a b" "$T/base" "$T/c" | cmp - out
    run_tool_stdin 0 mplcr-chain walk - <<<'a b'
    assert_output_is "$T/a b" "$T/base"
}

@test "walk of a chain that is broken prints what there is" {
    overlay a nothing raw
    overlay b a qcow2
    chain 1 walk b
    assert_output_is "$T/b" "$T/a"
    [[ $stderr == "mplcr-chain: cannot open '$T/nothing': No such file or directory"*"hint: it is the backing file of '$T/a'"* ]]
    chain 1 walk nothing b
    assert_output_is "$T/b" "$T/a"
    overlay c c2 qcow2
    ln "$T/c" "$T/c2"
    chain 1 walk c
    [[ $stderr == *'its own backing file'* ]]
    chain 1 walk --max-depth 1 b
    [[ $stderr == *'more than 1 images'* ]]
}

@test "walk --json has all that is known of each image" {
    base base raw
    overlay a base raw -o lazy_refcounts=on,cluster_size=512
    qemu-img bitmap --add "$T/a" one
    overlay b a qcow2 -o compat=0.10
    chain 0 walk --json b
    run jq -r '.schema, .whole, (.images[] | .path, .format)' <<<"$output"
    assert_output_is mplcr.chain.walk/1 true "$T/b" qcow2 "$T/a" qcow2 "$T/base" raw
    chain 0 walk -j b
    run jq -c '.images[1] | [.name, .recorded_format, .version, .cluster_size, .compatible, .autoclear, .bitmaps,
        .virtual_size, .backing_name, .backing_format, .encryption, .compression, .state, .use]' <<<"$output"
    assert_output '["a","qcow2",3,512,["lazy-refcounts"],["bitmaps"],1,1048576,"base","raw","none","zlib","ok","none"]'
    overlay c nothing raw
    chain 1 walk -j c a
    assert_equal "$(jq -c '[.whole, .images[-1].state]' <<<"$output" | xargs)" '[false,missing] [true,ok]'
}

@test "walk and names of other hosts" {
    overlay a nbd://host/x raw
    chain 1 walk a
    assert_output_is "$T/a"
    [[ $stderr == *"'nbd://host/x' is not a file of this host"* ]]
}

@test "usage" {
    chain 2 walk
    chain 2 walk --max-depth x a
    chain 2 walk --no-such a
    chain 2 nonsense
    [[ $stderr == *hint:* ]]
}

@test "deep chains, in little memory" {
    local i below=l000 above
    base l000
    overlay name l000 qcow2 -o cluster_size=512
    for ((i = 1; i <= 50; i++)); do
        printf -v above l%03d $i
        LC_ALL=C sed "s/l000/$below/" "$T/name" >"$T/$above"
        below=$above
    done
    chain 0 walk --max-depth 51 l050
    assert_equal "${#lines[@]}" 51
    chain 1 walk --max-depth 50 l050
    assert_equal "${#lines[@]}" 50
    (bounded && chain 0 verify -q l050)
}
