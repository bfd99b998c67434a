#!/usr/bin/env bats
# qemu: 10
# SPDX-License-Identifier: MIT
#
# The examples of README.md, CONTRIBUTING.md and docs, run as they stand there (those of the manual pages:
# examples-man.bats); and the runner itself is tested, so that a wrong example is found.

load helpers
load examples

@test "README.md and CONTRIBUTING.md" { examples 0 "$project/README.md" "$project/CONTRIBUTING.md"; }

@test "docs: disks, chains" { examples 0 "$project"/docs/{disks,chains}.md; }

@test "docs: all others" {
    local file files=()
    for file in "$project"/docs/*.md; do
        # one without an example of commands has none to run
        [[ ${file##*/} == @(disks|chains).md ]] || files+=("$file")
    done
    examples 0 "${files[@]}"
}

# page TEXT…: a page of these lines, which the runner finds at fault.
page() {
    printf '%s\n' "$@" >"$T/page.md"
    examples 1 "$T/page.md"
}

@test "the runner: an example that fails, prints something else, or is of no kind, is a fault" {
    local scene='<!-- scene: chain -->'
    page "$scene" '```sh' 'mplcr-chain walk absent.ovl' '```'
    assert_regex "$stderr" 'page.md:2: exit status 1 of'
    page "$scene" '```sh' 'false | true' '```'
    assert_regex "$stderr" 'page.md:2: exit status 1 of'
    page "$scene" '```console' '$ echo 1 b' '2 c' '```'
    assert_regex "$stderr" 'it prints now: N b'
    page "$scene" '```console' '$ echo a' 'a' 'b' '```'
    assert_regex "$stderr" 'it does not print: b'
    page "$scene" '```console' '$ printf "a\nb\n"' 'a' '```'
    assert_regex "$stderr" 'it prints now: b'
    page "$scene" '```' 'true' '```'
    assert_regex "$stderr" 'neither an example'
    page '```sh' 'true' '```'
    assert_regex "$stderr" 'without a scene'
    page '<!-- scene: nowhere -->' '```sh' 'true' '```'
    assert_regex "$stderr" "cannot set the scene 'nowhere'"
    printf '%s\n' '.Sh EXAMPLES' '.\" scene: chain' '.Dl $ mplcr-chain walk absent.ovl' >"$T/page.1"
    examples 1 "$T/page.1"
    assert_regex "$stderr" 'page.1:3: exit status 1 of'
}
