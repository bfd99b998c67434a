#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: none
#
# mplcr-chain verify: images of every kind that are sound, and one that is broken for each code.

load helpers
load chain

# --- sound ----------------------------------------------------------------------------------------------------------

@test "images made by qemu-img with every option are sound" {
    local option n=0 secret=(--object secret,id=s,data=abc)
    for option in compat=0.10 compat=1.1 cluster_size=512 cluster_size=2M lazy_refcounts=on refcount_bits=1 \
        refcount_bits=64 compression_type=zstd extended_l2=on preallocation=metadata preallocation=falloc \
        preallocation=full "data_file=$T/data,data_file_raw=on" extended_l2=on,cluster_size=16k; do
        base "i$((++n))" qcow2 -o "$option"
    done
    (
        cd "$T"
        cp "$project/tests/fuzz/corpus/image/luks-cut" i20 && truncate -s 4M i20 # qemu-img takes seconds to make one
        qemu-img create -q -f qcow2 "${secret[@]}" -o encrypt.format=aes,encrypt.key-secret=s i21 1M
        qemu-img create -q -f qcow2 i22 0
        qemu-img create -q -f qcow2 i23 64T
        cp i1 i24 && qemu-img snapshot -c one i24 && qemu-img snapshot -c two i24
        cp i2 i25 && qemu-img bitmap --add i25 one && qemu-img bitmap --add i25 two
        cp i2 i26 && qemu-io -c 'write 0 1M' -c 'discard 64k 64k' i26 >/dev/null && qemu-img resize -q --shrink i26 512k
        qemu-img convert -c -O qcow2 i26 i27
        echo hello >i28
        qemu-img create -q -f qcow i29 1M
        qemu-img create -q -f qed i30 1M
    )
    sound "$T"/i*
    assert_equal "$stderr" "mplcr-chain: 25 images, sound: 0 faults, 0 warnings"
    chain 0 verify --quiet "$T"/i*
    assert_equal "$output$stderr" ''
}

@test "chains of every kind of name are sound" {
    mkdir "$T/d"
    base base raw
    overlay d/mid ../base raw
    overlay top d/mid qcow2
    overlay absolute "$T/base" raw
    sound top
    sound absolute
    ln -s "$T/base" "$T/link"
    overlay linked link raw
    sound linked
    ln -s "$T/d/mid" "$T/d/m2"
    (cd "$T" && rm top && overlay top d/m2 qcow2)
    sound top
    overlay json "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"$T/base\"}}" raw
    sound json
    (cd "$T" && qemu-img create -q -f qed -b base -F raw top.qed 1M)
    sound top.qed
}

@test "operands from standard input, and --json" {
    base base raw
    overlay a base raw
    overlay 'with space' nothing raw
    cd "$T"
    run_tool_stdin 0 mplcr-chain verify - <<<a
    printf 'a\0with space\0' >list
    run_tool_stdin 1 mplcr-chain verify --json -0 - <list
    run jq -r '.schema, .sound, .images, (.findings[] | .code, .path)' <<<"$output"
    assert_output "$(printf '%s\n' mplcr.chain.verify/1 false 3 E-MISSING "$T/nothing")"
    run_tool 2 mplcr-chain verify
    run_tool 2 mplcr-chain verify --max-depth 0 a
}

@test "--strict makes faults of warnings" {
    base base raw
    overlay a base raw
    qemu-img resize -q "$T/a" 2M
    alone W-LARGER a
    chain 1 verify --strict a
    [[ $stderr == *'not sound'* ]]
}

@test "what several chains share is said once, with control bytes escaped" {
    overlay base $'no\nthing' raw
    overlay a base qcow2
    overlay b base qcow2
    alone E-MISSING a b
    [[ $output == *'no\x0athing: No such file or directory, the backing file of '* ]]
}

# --- files and names ------------------------------------------------------------------------------------------------

@test "E-MISSING" {
    alone E-MISSING nothing
    overlay a nothing raw
    alone E-MISSING a
    base b qcow2 -o "data_file=$T/data"
    rm "$T/data"
    alone E-MISSING b
    [[ $output == *"$T/data: "*'data file'* ]]
}

@test "E-UNREADABLE" {
    ln -s loop "$T/loop"
    overlay a loop raw
    alone E-UNREADABLE a
}

@test "E-NOT-REGULAR" {
    mkdir "$T/dir"
    mkfifo "$T/fifo"
    overlay a dir raw
    alone E-NOT-REGULAR a
    alone E-NOT-REGULAR fifo
    overlay b /dev/zero raw
    alone E-NOT-REGULAR --trust-paths b
}

@test "E-UNTRUSTED-PATH: names that lead out of the tree" {
    local name
    mkdir "$T/tree" "$T/x.ckpt" "$T/x.ckpt/disks"
    base base raw
    for name in "$T/base" ../base "file:$T/base" "json:{\"file.filename\":\"$T/base\"}" nbd://host/x host_device:/dev/sda \
        /etc/no-such-file "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"rbd\",\"pool\":\"p\"}}"; do
        overlay tree/a "$name" raw
        alone E-UNTRUSTED-PATH tree/a
        [[ $output == *"$T/tree/a: its backing file '$name' "* ]]
    done
    overlay tree/a "$T/base" raw
    sound --trust-paths tree/a
    ln -s ../base "$T/tree/link"
    overlay tree/a link raw
    alone E-UNTRUSTED-PATH tree/a
    ln -s .. "$T/tree/up"
    overlay tree/a up/base raw
    alone E-UNTRUSTED-PATH tree/a
    base tree/b qcow2 -o "data_file=$T/data"
    alone E-UNTRUSTED-PATH tree/b
    # The frozen images of a checkpoint may name what is beside it.
    overlay x.ckpt/disks/a ../../base raw
    alone E-UNTRUSTED-PATH x.ckpt/disks/a
    echo '{}' >"$T/x.ckpt/checkpoint.json"
    sound x.ckpt/disks/a
}

@test "what is not trusted is not opened" {
    cat >"$T/lib.c" <<'EOF'
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int openat64(int dir, const char *path, int flags, ...)
{
    if (strstr(path, "secret"))
        abort();
    return (int)syscall(SYS_openat, dir, path, flags, 0600);
}
int open64(const char *path, int flags, ...)
{
    return openat64(AT_FDCWD, path, flags);
}
int openat(int dir, const char *path, int flags, ...) __attribute__((alias("openat64")));
int open(const char *path, int flags, ...) __attribute__((alias("open64")));
EOF
    "${CC:-cc}" -D_GNU_SOURCE -shared -fPIC "$T/lib.c" -o "$T/lib.so"
    mkdir "$T/tree"
    base secret raw
    overlay tree/a ../secret raw
    WITH=(env "LD_PRELOAD=$T/lib.so" "ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS")
    alone E-UNTRUSTED-PATH tree/a
    run "${WITH[@]}" "$BIN/mplcr-chain" verify --trust-paths "$T/tree/a" # which does open it
    assert_failure 134
}

@test "E-NAME" {
    overlay a 'json:{"driver":"raw"' raw
    alone E-NAME a
    overlay a 'json:{"driver":"raw","file":"node"}' raw
    alone E-NAME a
}

@test "W-WORKING-DIRECTORY" {
    base base raw
    overlay a file:base raw
    alone W-WORKING-DIRECTORY a
    base b qcow2 -o data_file=data
    alone W-WORKING-DIRECTORY b
}

@test "N-REMOTE, E-REMOTE: images of other hosts are looked at by QEMU where the user wants" {
    local socket=$T/nbd.sock
    base base raw
    overlay a "nbd+unix:///?socket=$socket" raw
    alone N-REMOTE --trust-paths a
    alone E-REMOTE --follow-remote a
    qemu-nbd -f raw -k "$socket" --fork --pid-file="$T/nbd.pid" -t "$T/base" 3>&-
    alone N-REMOTE --follow-remote a
    overlay b host_device:/dev/no-such-device raw
    alone E-UNTRUSTED-PATH --follow-remote b
    alone E-REMOTE --follow-remote --trust-paths b
}

# --- chains ---------------------------------------------------------------------------------------------------------

@test "E-CYCLE, by name, by a link, by itself" {
    overlay a b qcow2
    overlay b a qcow2
    touch -r "$T/a" "$T/b"
    alone E-CYCLE a
    overlay c ./c qcow2
    alone E-CYCLE c
    overlay d d2 qcow2
    ln "$T/d" "$T/d2"
    alone E-CYCLE d
    overlay e e2 qcow2
    ln -s e "$T/e2"
    alone E-CYCLE e
}

@test "E-DEPTH" {
    base l0
    for i in 1 2 3 4; do overlay l$i l$((i - 1)) qcow2; done
    sound --max-depth 5 l4
    alone E-DEPTH --max-depth 4 l4
}

@test "E-NO-FORMAT" {
    base base raw
    overlay a base raw
    poke a 112 12 34 56 78 # another type of header extension
    alone E-NO-FORMAT a
}

@test "E-FORMAT" {
    base base raw
    base qcow
    overlay a base qcow2
    alone E-FORMAT a
    overlay a qcow raw
    finds E-FORMAT a
    overlay b qcow qcow2
    poke b 120 73 70 61 6d 73 # the name of the format
    alone E-FORMAT b
}

@test "a raw image of which the guest has encrypted the whole is raw" {
    base base raw
    poke base 0 4c 55 4b 53 ba be
    overlay a base raw
    sound a
}

@test "a raw image that looks like qcow2 is taken as raw: its names lead nowhere" {
    base evil
    overlay evil /etc/passwd raw
    overlay a evil raw
    finds E-FORMAT a
    refute_output --partial UNTRUSTED
}

@test "N-SMALLER, W-LARGER" {
    base base raw
    overlay a base raw
    qemu-img resize -q --shrink "$T/a" 512k
    alone N-SMALLER a
    qemu-img resize -q "$T/a" 4M
    alone W-LARGER a
}

@test "W-BACKING-NEWER" {
    base base raw
    overlay a base raw
    sound a
    touch "$T/base"
    alone W-BACKING-NEWER a
}

# --- headers --------------------------------------------------------------------------------------------------------

@test "E-HEADER: fields that QEMU refuses, and some that it does not" {
    local change
    for change in '4 00 00 00 09' '20 00 00 00 08' '20 00 00 00 40' '32 00 00 00 07' '36 00 00 00 00' '36 ff ff ff ff' \
        '44 00 03 02 00' '56 00 00 00 00' '60 00 ff ff ff' '96 00 00 00 07' '100 00 00 00 08' '100 7f ff ff ff' \
        '104 02' '116 00 7f ff ff' '24 ff'; do
        base a
        # shellcheck disable=SC2086  # words
        poke a $change
        alone E-HEADER a
    done
}

@test "E-TRUNCATED: images that were copied in part" {
    local size
    base a
    qemu-io -c 'write 0 1M' "$T/a" >/dev/null
    for size in 1300000 400000 200000 100000 1000 100 20; do
        truncate -s "$size" "$T/a"
        alone E-TRUNCATED a
    done
    base b qcow2 -o "data_file=$T/data,data_file_raw=on"
    truncate -s 1000 "$T/data"
    alone E-TRUNCATED b
}

@test "E-FEATURE, by name where the header has it" {
    base a
    poke a 78 02
    alone E-FEATURE a
    qemu-img create -q -f qcow2 "$T/b" 1M
    poke b 79 40
    poke b 120 00 06 74 65 6c 65 70 6f 72 74 00
    alone E-FEATURE b
    [[ $output == *teleport* ]]
}

@test "E-CORRUPT, W-DIRTY" {
    base a
    poke a 79 02
    alone E-CORRUPT a
    poke a 79 01
    alone W-DIRTY a
}

# libqcow_that DOES: what takes the place of a function of libqcow: it does that before it answers.
libqcow_that() {
    printf '#include <stdint.h>\n#include <stdlib.h>\nint libqcow_file_get_media_size(void *f, uint64_t *size, void *e)
        { (void)f; (void)e; *size = 1 << 20; %s; return 1; }\n' "$1" >"$T/lib.c"
    "${CC:-cc}" -O1 -shared -fPIC "$T/lib.c" -o "$T/lib.so"
    WITH=(env "LD_PRELOAD=$T/lib.so" "ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS")
}

@test "E-PARSERS-DIFFER" {
    base a
    libqcow_that '(void)0'
    sound a
    libqcow_that '*size += 512'
    alone E-PARSERS-DIFFER a
    [[ $output == *"1048576 bytes, or 1049088 for libqcow" ]]
}

@test "N-SECOND-OPINION: the second parser may crash, hang and eat memory" {
    local harm
    base a
    for harm in 'abort()' 'for (;;) { }' 'for (volatile char *p;;) { p = malloc(1 << 20); p[4096 * (rand() % 256)] = 1; }'; do
        libqcow_that "$harm"
        TOOL_TIMEOUT=20 alone N-SECOND-OPINION a
    done
}

@test "a name that is not UTF-8 is a name" {
    base $'caf\xe9' raw
    overlay a $'caf\xe9' raw -o compat=0.10
    sound a
}

@test "N-OTHER-FORMAT" {
    local format
    for format in vmdk vdi vhdx parallels; do
        base "a.$format" "$format"
        alone N-OTHER-FORMAT "a.$format"
    done
    base a.vpc vpc
    overlay a a.vpc vpc
    finds N-OTHER-FORMAT a
}

@test "any bytes at all: an answer within its limits" {
    local file
    for file in "$project"/tests/fuzz/corpus/image/*; do
        cp "$file" "$T/a"
        touch "$T/a"
        (
            bounded
            TOOL_TIMEOUT=20 chain 0 verify a || TOOL_TIMEOUT=20 chain 1 verify a
        ) >/dev/null || fail "$file"
    done
}

# --- the list of codes ----------------------------------------------------------------------------------------------

@test "every code is in the man page, and a test makes verify find it" {
    local code codes missing=''
    codes=$(sed -nE 's/.*X\([A-Z_]+, "([A-Z-]+)".*/\1/p' "$project/src/common/checkpoint/codes.h")
    [[ $(wc -w <<<"$codes") -gt 30 ]]
    for code in $codes; do
        grep -qE "^\.It Li $code\$" "$project/man/mplcr-chain.1" || missing+="$code is not in the man page"$'\n'
        grep -qE "(finds|alone|found|--partial) \"?$code( |$)" "$project"/tests/bats/{chain,state,recover}*.bats || missing+="$code is in no test"$'\n'
    done
    for code in $(sed -nE 's/^\.It Li ([EWN]-[A-Z-]+)$/\1/p' "$project/man/mplcr-chain.1"); do
        grep -qx "$code" <<<"$codes" || missing+="$code of the man page is no code"$'\n'
    done
    assert_equal "$missing" ''
}
