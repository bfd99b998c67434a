# SPDX-License-Identifier: MIT
#
# Images and checkpoints for the tests of mplcr-chain, after `load helpers`.
# shellcheck shell=bash disable=SC2154  # T, status, output …: helpers.bash

WITH=()

# chain STATUS VERB [ARGUMENT…]: mplcr-chain in $T; by the command WITH, where that is set.
chain() {
    local expected=$1
    shift
    cd "$T" || return
    run_tool "$expected" "${WITH[@]}" "$BIN/mplcr-chain" "$@"
}

# bounded: for the rest of a subshell, 64 MiB of memory. (A sanitizer needs more.)
bounded() { [[ -n ${SANITIZE:-} ]] || ulimit -v 65536; }

# overlay FILE BACKING FORMAT [QEMU-IMG OPTION…]: in $T; without looking at the backing file: a disk of 1 MiB.
overlay() {
    local file=$1 backing=$2 format=$3
    shift 3
    (cd "$T" && qemu-img create -q -u -f qcow2 ${format:+-F "$format"} -b "$backing" "$@" "$file" 1M)
}

# base FILE [FORMAT [QEMU-IMG OPTION…]]: in $T; a disk of 1 MiB.
base() {
    local file=$1 format=${2:-qcow2}
    shift $(($# < 2 ? $# : 2))
    (cd "$T" && qemu-img create -q -f "$format" "$@" "$file" 1M)
}

# poke FILE OFFSET HEX…: writes the bytes into the file in $T; its times stay as they were.
poke() {
    local file=$T/$1 at=$2
    shift 2
    touch -r "$file" "$T/.time"
    printf '%b' "$(printf '\\x%s' "$@")" | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
    touch -r "$T/.time" "$file"
    rm "$T/.time"
}

# finds CODE OPERAND…: verify finds it (and perhaps others), and its exit status is that of the severity.
finds() {
    local code=$1 expected=0
    shift
    [[ $code != E-* ]] || expected=1
    chain "$expected" verify "$@"
    grep -q "^$code [^:]*: ." <<<"$output" || fail "$(printf 'no %s of: %s\n%s' "$code" "$*" "$output")"
}

# alone CODE OPERAND…: the same, and nothing else is found.
alone() {
    finds "$@"
    assert_equal "${#lines[@]}" 1
}

# sound OPERAND…: verify finds nothing at all.
sound() {
    chain 0 verify "$@"
    assert_equal "$output" ''
}

# identity FILE: as the manifest has it.
identity() {
    printf '{"device":%d,"inode":%d,"size":%d,"mtime_ns":%s,"header_xxh3":"%s"}' \
        "$(stat -c %d "$1")" "$(stat -c %i "$1")" "$(stat -c %s "$1")" "$(date -r "$1" +%s%N)" \
        "$(head -c 65536 "$1" | xxhsum -H2 | cut -d ' ' -f 1)"
}

# image FILE FORMAT: as the manifest has it.
image() { printf '{"path":"%s","relative":"%s","format":"%s","identity":%s}' "$T/$1" "$1" "$2" "$(identity "$T/$1")"; }

# make_checkpoint: $T/x1.ckpt of a VM that has made.img (qcow2) on made.base (raw), and went on with x1.ovl.
make_checkpoint() {
    local dir=$T/x1.ckpt file files=''
    base made.base raw
    overlay made.img made.base raw
    mkdir -p "$dir/ram"
    truncate -s 8192 "$dir/ram/pc.ram"
    echo devices >"$dir/devices.vmstate"
    for file in devices.vmstate ram/pc.ram; do
        files+=${files:+,}$(printf '{"name":"%s","size":%d,"xxh3":"%s","block":%s}' "$file" "$(stat -c %s "$dir/$file")" \
            "$(xxhsum -H2 "$dir/$file" | cut -d ' ' -f 1)" "$([[ $file == ram/* ]] && echo '"pc.ram"' || echo null)")
    done
    cat >"$dir/checkpoint.json" <<EOF
{"schema":"mplcr.trigger.checkpoint/1","name":"x1","checkpoint":"$dir","engine":"stop","layout":"pages",
"pause_ms":1.0,"total_ms":2.0,"state_bytes":8200,
"qemu":{"version":"7.2.0","machine":"pc","memory":8192},"ram_blocks":[{"name":"pc.ram","length":8192}],
"files":[$files],
"disks":[{"device":"drive0","virtual_size":1048576,"read_only":false,"active":"$T/x1.ovl",
"chain":[$(image made.img qcow2),
$(image made.base raw)]}]}
EOF
    overlay x1.ovl made.img qcow2
}

# edit SED_SCRIPT: changes the manifest (not with jq, which makes floats of large integers).
edit() { sed -i "$1" "$T/x1.ckpt/checkpoint.json"; }
