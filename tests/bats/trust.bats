#!/usr/bin/env bats
# qemu: none
# SPDX-License-Identifier: MIT
#
# What a header says is data: it protects what it names, and gives nobody a way to files elsewhere.

# shellcheck disable=SC2154  # output, stderr, lines: helpers.bash

load helpers
load chain

# says TEXT: on standard error
says() { [[ $stderr == *"$1"* ]] || fail "no '$1' in: $stderr"; }

# files DIR…: what is below them, with sums
files() { (cd "$T" && find "$@" -type f -exec md5sum {} + | sort -k 2); }

# kept STATUS TEXT COMMAND…: it ends so, says so, and no file of d is changed.
kept() {
    local expected=$1 text=$2 before
    shift 2
    before=$(files d)
    cd "$T" || return
    run_tool "$expected" "$@"
    says "$text"
    assert_equal "$(files d)" "$before"
}

# --- who needs it: as recorded, and as found -------------------------------------------------------------------------

# tree: $T/d with top <- mid <- base, mid on base by BACKING where that is given; and an overlay that records mid as
# raw.
tree() {
    rm -rf "$T/d"
    mkdir -p "$T/d"
    base d/low qcow2
    overlay d/base.qcow2 low qcow2
    overlay d/mid.qcow2 "${1:-base.qcow2}" qcow2
    overlay d/raw.qcow2 mid.qcow2 raw
}

@test "one overlay that records an image as raw does not take the protection from what the image needs" {
    local backing
    for backing in base.qcow2 "$T/d/base.qcow2" ../d/base.qcow2 "file:$T/d/base.qcow2" \
        "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"$T/d/base.qcow2\"}}"; do
        tree "$backing"
        kept 3 mid.qcow2 mplcr-snap remove d/base.qcow2
        kept 3 mid.qcow2 mplcr-chain relocate --to new d/base.qcow2
        overlay d/beside.qcow2 base.qcow2 qcow2
        kept 3 mid.qcow2 mplcr-chain shorten --keep 2 d/beside.qcow2
        kept 3 mid.qcow2 mplcr-chain shorten --into d/low d/beside.qcow2
    done
    chain 0 tree --json d
    assert_equal "$(jq -r '.images[] | select(.path | endswith("/mid.qcow2")).needs[]' <<<"$output")" "$T/d/base.qcow2"
    run_tool 0 mplcr-snap remove --force d/mid.qcow2 d/raw.qcow2 # what needs it goes, too
    run_tool 0 mplcr-snap remove d/base.qcow2 d/beside.qcow2
}

@test "a name through stacked drivers, a link and a cycle protect as well" {
    tree
    rm "$T/d/raw.qcow2" "$T/d/mid.qcow2"
    overlay d/mid.qcow2 "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"$T/d/base.qcow2\"}}}" qcow2
    kept 3 mid.qcow2 mplcr-snap remove d/base.qcow2
    tree link
    ln -s base.qcow2 "$T/d/link"
    kept 3 mid.qcow2 mplcr-snap remove d/base.qcow2
    # A guest writes a header into its raw disk which names the overlay on that.
    rm -r "$T/d" && mkdir "$T/d"
    overlay d/a.raw b.ovl qcow2
    overlay d/b.ovl a.raw qcow2
    kept 3 b.ovl mplcr-snap remove d/a.raw
    kept 3 a.raw mplcr-snap remove d/b.ovl
}

@test "the data file of an image that is recorded as raw is needed, wherever QEMU is started" {
    mkdir "$T/d" "$T/decoy"
    base d/data.img raw
    (cd "$T/d" && qemu-img create -q -f qcow2 -o data_file=data.img,data_file_raw=on mid.qcow2 1M)
    kept 3 mid.qcow2 mplcr-snap remove --force d/data.img
    overlay d/raw.qcow2 mid.qcow2 raw
    kept 3 mid.qcow2 mplcr-snap remove --force d/data.img
    rm "$T/d/raw.qcow2"
    base decoy/data.img raw # the same name where the tool is started
    cd "$T/decoy"
    run_tool 3 mplcr-snap remove --force ../d/data.img
    says mid.qcow2
}

@test "a file without a name or content of an image is needed all the same; outside nothing is opened" {
    mkdir "$T/d" "$T/else"
    base d/disk raw && base else/disk raw
    overlay d/mid.qcow2 disk raw
    overlay d/raw.qcow2 mid.qcow2 raw
    kept 3 mid.qcow2 mplcr-chain relocate --to new d/disk
    kept 3 mid.qcow2 mplcr-snap remove --force d/disk
    overlay d/mid.qcow2 ../else/disk raw
    chain 0 tree --json d
    refute_output --partial else/disk
}

@test "a checkpoint that records its disk as raw protects what that names" {
    make_checkpoint
    edit '0,/"format":"qcow2"/s//"format":"raw"/; s/^\({"path":"[^"]*made.base".*\)$/]}]}/'
    sed -i 's/^\(.*made.img.*\),$/\1/' "$T/x1.ckpt/checkpoint.json"
    cd "$T"
    run_tool 0 jq -e '.disks[0].chain | length == 1 and .[0].format == "raw"' x1.ckpt/checkpoint.json
    rm x1.ovl
    run_tool 3 mplcr-snap remove --force made.base
    says "made.img' needs it by its header"
    rm -r x1.ckpt
    run_tool 3 mplcr-snap remove --force made.base
    says "backing file of '$T/made.img'"
}

@test "what is raw to one image and has a header that names others is not changed or moved as raw" {
    tree
    kept 3 'needs' mplcr-chain relocate --to new d/raw.qcow2
    overlay d/more.qcow2 raw.qcow2 qcow2
    kept 3 'needs' mplcr-chain shorten --into d/mid.qcow2 d/more.qcow2
    cd "$T"
    run_tool 0 mplcr-chain relocate --copy --to new d/raw.qcow2
}

# --- names that lead elsewhere ---------------------------------------------------------------------------------------

# host: $T/host, another tree: a file of the host, and leaf <- base with data of their own.
host() {
    mkdir -p "$T/d" "$T/host"
    { echo 'of the host'; head -c 1M /dev/zero; } >"$T/host/secret"
    truncate -s 1M "$T/host/secret"
    base host/base.qcow2
    overlay host/leaf.qcow2 base.qcow2 qcow2
    qemu-io -f qcow2 -c 'write -q -P 7 0 64k' "$T/host/leaf.qcow2"
}

# refused COMMAND…: it is, with the code that verify has and what allows it; no file is changed, moved or made.
refused() {
    local before
    before=$(files d host)
    cd "$T" || return
    run_tool 3 "$@"
    says E-UNTRUSTED-PATH
    says 'hint: '
    says --trust-paths
    assert_equal "$(files d host)" "$before"
    assert_not_exist "$T/new"
}

@test "a host file that is named as raw backing file is neither moved, copied nor merged" {
    local name
    host
    ln -s ../host/secret "$T/d/link" && ln -s ../host "$T/d/dir"
    for name in "$T/host/secret" ../host/secret link dir/secret ./dir/../../host/secret "file:$T/host/secret" \
        "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"$T/host/secret\"}}"; do
        overlay d/a.qcow2 "$name" raw
        refused mplcr-chain relocate --to new d/a.qcow2
        refused mplcr-chain relocate --copy --to new d/a.qcow2
        refused mplcr-chain shorten --keep 1 d/a.qcow2
        refused mplcr-chain seal --read-only d/a.qcow2
        refused mplcr-snap reflink --chain --reflink=auto --to new d/a.qcow2
        refused mplcr-snap overlay d/a.qcow2 d/b.qcow2
    done
    chain 1 verify d/a.qcow2
    assert_output --partial E-UNTRUSTED-PATH
    run_tool 0 mplcr-chain shorten --trust-paths --keep 1 d/a.qcow2
    run_tool 0 grep -q 'of the host' d/a.qcow2
}

@test "the chain of an image is not changed where it leads into another tree, in the second layer too" {
    host
    overlay d/a.qcow2 "$T/host/leaf.qcow2" qcow2
    refused mplcr-chain shorten --keep 2 d/a.qcow2
    refused mplcr-chain shorten --keep 1 --leave d/a.qcow2
    refused mplcr-chain shorten --into host/base.qcow2 d/a.qcow2
    refused mplcr-chain relocate --to new d/a.qcow2
    overlay d/b.qcow2 a.qcow2 qcow2
    overlay d/c.qcow2 b.qcow2 qcow2
    refused mplcr-chain shorten --into d/a.qcow2 d/c.qcow2
    refused mplcr-chain shorten --keep 4 d/c.qcow2
    refused mplcr-snap reflink --chain --reflink=auto --suffix .copy d/c.qcow2
    chain 0 shorten --trust-paths --keep 4 d/c.qcow2
    chain 0 shorten --trust-paths --keep 2 d/c.qcow2
    assert_not_exist "$T/host/leaf.qcow2"
}

@test "data files, seals, other hosts and images that only QEMU can read are under the same rule" {
    host
    base d/base.qcow2 qcow2 -o "data_file=$T/host/data"
    overlay d/a.qcow2 base.qcow2 qcow2
    refused mplcr-chain shorten --keep 1 d/a.qcow2
    refused mplcr-chain relocate --to new d/a.qcow2
    refused mplcr-snap reflink --chain --reflink=auto --to new d/a.qcow2
    base d/low qcow2
    overlay d/b.qcow2 low qcow2
    ln -s ../host/secret "$T/d/low.seal"
    refused mplcr-chain relocate --to new d/b.qcow2
    overlay d/c.qcow2 nbd://127.0.0.1:1/x raw
    kept 3 "E-UNTRUSTED-PATH" mplcr-chain shorten --keep 1 d/c.qcow2
    kept 3 "not a file of this host" mplcr-chain shorten --trust-paths --keep 1 d/c.qcow2
    printf '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 2048 FLAT "%s" 0\n' \
        "$T/host/secret" >"$T/d/e.vmdk"
    overlay d/e.qcow2 e.vmdk vmdk
    refused mplcr-chain shorten --keep 1 d/e.qcow2
    overlay d/f.qcow2 $'../host/sec\nret' raw
    cp "$T/host/secret" "$T/host/"$'sec\nret'
    refused mplcr-chain relocate --to new d/f.qcow2
    refute [ "$(grep -c '^ret' <<<"$stderr")" -gt 0 ]
}

@test "a checkpoint whose manifest names files elsewhere is not moved; prune leaves what leads there" {
    mkdir -p "$T/d"
    T=$T/d make_checkpoint
    mkdir "$T/host" && cp "$T/d/made.base" "$T/host/secret" && touch -r "$T/d/made.base" "$T/host/secret"
    cd "$T"
    sed -i "s|\"$T/d/made.base\",\"relative\":\"made.base\"|\"$T/host/secret\"|" d/x1.ckpt/checkpoint.json
    refused mplcr-chain relocate --to new d/x1.ckpt
    sed -i "s|\"$T/host/secret\"|\"$T/d/made.base\"|; s|$T/d/x1.ovl|$T/host/x1.ovl|" d/x1.ckpt/checkpoint.json
    cp d/x1.ovl host/x1.ovl
    refused mplcr-chain relocate --to new d/x1.ckpt
    rm host/x1.ovl
    qemu-img rebase -u -F raw -b "$T/host/secret" d/made.img
    run_tool 0 mplcr-chain prune --keep 0 d
    says "made.img' stays: E-UNTRUSTED-PATH"
    assert_exist d/made.img
    assert_not_exist d/x1.ckpt
}

@test "what lies in one tree is used as ever: directories below, checkpoints beside, one directory for prune" {
    mkdir -p "$T/d/low"
    base d/low/base.qcow2
    overlay d/mid.qcow2 low/base.qcow2 qcow2
    overlay d/a.qcow2 "$T/d/mid.qcow2" qcow2
    cd "$T"
    run_tool 0 mplcr-snap reflink --chain --reflink=auto --to copies d/a.qcow2
    run_tool 0 mplcr-snap overlay d/a.qcow2 d/b.qcow2
    run_tool 0 mplcr-chain relocate --copy --to new d/b.qcow2
    run_tool 0 mplcr-chain shorten --keep 2 d/b.qcow2
    rm -r d && mkdir d
    T=$T/d make_checkpoint
    run_tool 0 mplcr-chain relocate --copy --to moved d/x1.ckpt
    run_tool 0 mplcr-chain prune --keep 0 d
    assert_not_exist d/made.img
}
