#!/usr/bin/env bats
# qemu: none
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# The build as packagers meet it, from a tarball: nothing is installed by make, flags are honoured, binaries are
# hardened, what was put somewhere is removed again. The lint of the floors, on that tree.
#
# The tests go on from one another's tree: it is built once, with little optimization, which suffices to fortify it.

load helpers

setup_file() {
    SHARED=$(mktemp -d "${SCRATCH:-${TMPDIR:-/tmp}}/mplcr-building.XXXXXX")
    export SHARED
    # what `make check` was called with is not for these
    unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL CPPFLAGS LDFLAGS DESTDIR PREFIX SANITIZE
    export CFLAGS='-O1 -DFROM_THE_USER'
    mkdir "$SHARED/git"
    tar -C "$project" --exclude=./build --exclude=./bin --exclude=./.git -cf - . | tar -C "$SHARED/git" -xf -
    (
        cd "$SHARED/git" || exit
        git init -q && git add -A &&
            git -c user.name=x -c user.email=x@x -c commit.gpgsign=false commit -q -m x &&
            make dist >../name && mv "$(<../name)" ../first && make dist && tar -C .. -xf "$(<../name)"
    ) >"$SHARED/log" 2>&1 || { cat "$SHARED/log" >&2; return 1; }
    # apt and dpkg that must not be called
    mkdir "$SHARED/fake"
    printf '#!/bin/sh\necho "$0 $*" >>"%s/called"\nexit 1\n' "$SHARED" | tee "$SHARED/fake/apt-get" >"$SHARED/fake/dpkg-query"
    chmod +x "$SHARED/fake/"*
    for file in apt dpkg sudo; do cp "$SHARED/fake/apt-get" "$SHARED/fake/$file"; done
}

teardown_file() { rm -rf -- "$SHARED"; }

setup() {
    scratch_begin
    tree=$(echo "$SHARED"/mplcr-*/)
    cd "$tree" || return
}

# The tools of the tree, built; the first test that comes here waits for it.
built() {
    [[ -x bin/mplcr-trigger ]] || TOOL_TIMEOUT=300 run_tool 0 env PATH="$SHARED/fake:$PATH" make V=1 --jobs=2
}

@test "make dist: the same commit gives the same bytes, under the version's name" {
    run_tool 0 cmp "$SHARED/first" "$SHARED/git/$(<"$SHARED/name")"
    assert_equal "$(<"$SHARED/name")" "mplcr-$("$BIN/mplcr-trigger" --version | cut -d ' ' -f 2).tar.xz"
    assert_equal "$(tar -tf "$SHARED/first" | sed -n 's,^mplcr-[^/]*/\(.*[^/]\)$,\1,p' | sort)" \
        "$(git -C "$SHARED/git" ls-files | sort)"
}

@test "make builds from the tarball, asks apt and dpkg nothing, and takes flags of the user last" {
    built
    [ ! -e "$SHARED/called" ] || fail "called: $(<"$SHARED/called")"
    [[ $(grep -c ' -O1 -DFROM_THE_USER' <<<"$output") -gt 50 ]]
    # nothing to do; other flags build anew, and hardening gives way to those who speak of it
    run_tool 0 make
    assert_equal "$output" ''
    run_tool 0 make --dry-run V=1 CFLAGS=-O0 LDFLAGS=-Wl,-z,lazy
    [[ $output == *"/cli.c "* && $output != *FORTIFY* && $output == *" -Wl,-z,lazy "* ]]
    run_tool 0 make --dry-run V=1 CPPFLAGS=-D_FORTIFY_SOURCE=1
    [[ $output == *" -D_FORTIFY_SOURCE=1 "* && $output != *"-U_FORTIFY"* ]]
}

@test "a library is missing: make names it, its package and the command, and installs nothing" {
    printf '#!/bin/sh\ncase "$*" in *libxxhash*) exit 1 ;; esac\nexec pkg-config "$@"\n' >"$T/pkg-config"
    chmod +x "$T/pkg-config"
    run_tool 2 env PATH="$SHARED/fake:$PATH" make PKG_CONFIG="$T/pkg-config" SANITIZE=undefined
    [[ $stderr == *"missing to compile: libxxhash"*"apt-get install --no-install-recommends libxxhash-dev"*"make deps"* ]]
    [ ! -e "$SHARED/called" ]
    run_tool 2 env PATH="$SHARED/fake:$PATH" make CC="$T/no-cc" SANITIZE=undefined
    [[ $stderr == *"missing to compile: a C compiler"*"gcc libc6-dev"* ]]
}

@test "binaries: position-independent, all of the relocations read-only, stack protector, fortified" {
    local tool
    built
    for tool in bin/*; do
        readelf -hldW "$tool" >"$T/elf"
        readelf -W --dyn-syms "$tool" >"$T/symbols"
        grep -q 'Type: *DYN' "$T/elf" && grep -q 'Flags: .*PIE' "$T/elf" || fail "$tool is not PIE"
        grep -q GNU_RELRO "$T/elf" && grep -q BIND_NOW "$T/elf" || fail "$tool: not all of it is read-only"
        grep -q 'GNU_STACK .* RW ' "$T/elf" || fail "$tool: the stack is executable"
        grep -q '__stack_chk_fail' "$T/symbols" || fail "$tool has no stack protector"
        grep -q '__v*snprintf_chk' "$T/symbols" || fail "$tool is not fortified"
    done
}

@test "make install DESTDIR=, and make uninstall: an empty folder; what is of others stays" {
    built
    run_tool 0 make install DESTDIR="$T/d" PREFIX=/usr
    "$T/d/usr/bin/mplcr-chain" --version
    assert_equal "$(find "$T/d" -name '*mplcr*' -type f -perm 755 | wc -l)" "$(find bin -type f | wc -l)"
    for file in man/*.[157]; do [ -s "$T/d/usr/share/man/man${file##*.}/${file##*/}" ]; done
    run_tool 0 make uninstall DESTDIR="$T/d" PREFIX=/usr
    assert_equal "$(find "$T/d")" "$T/d"
    run_tool 0 make install DESTDIR="$T/d"
    touch "$T/d/usr/local/bin/other"
    run_tool 0 make uninstall DESTDIR="$T/d"
    assert_equal "$(find "$T/d" -type f)" "$T/d/usr/local/bin/other"
    run_tool 0 make install PREFIX="$T/p"
    run_tool 0 make uninstall PREFIX="$T/p"
    assert_equal "$(find "$T/p" -name '*mplcr*')" ''
}

@test "lint: an include that goes up, or into another tool, is refused" {
    built
    run_tool 0 make --silent lint
    echo '#include "image/chain.h"' >>src/common/base/number.h
    echo '#include "qemu/qmp.h"' >>src/common/state/stream.c
    echo '#include "state/stream.h"' >>src/common/image/chain.c
    echo '#include "err.h"' >>src/common/base/number.c
    echo '#include "../mplcr-chain/walk/walk.h"' >>src/mplcr-snap/main.c
    echo '#include "mplcr-chain/walk/walk.h"' >>src/mplcr-trace/main.c
    echo '#include <base/err.h>' >>src/mplcr-restore/main.c
    BIN=bin run_tool 1 tests/lint $(ls bin)
    for file in base/number.h state/stream.c image/chain.c base/number.c mplcr-snap/main.c mplcr-trace/main.c mplcr-restore/main.c; do
        grep -q "^lint: .*/$file: " <<<"$stderr" || fail "$file is not refused: $stderr"
    done
    [[ $stderr == *"lint: 7 faults" ]]
}
