#!/usr/bin/env bats
# qemu: 10
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# The examples of the manual pages, run as they stand there.

load helpers
load examples

@test "mplcr-trigger, mplcr-restore" { examples 0 "$project"/man/mplcr-{trigger,restore}.1; }

@test "mplcr-snap, mplcr-chain, mplcr-state, mplcr-trace" { examples 0 "$project"/man/mplcr-{snap,chain,state,trace}.1; }

@test "no page is left out" {
    local page
    for page in "$project"/man/*.1; do
        grep -qE "[{,]$(basename "${page#*man/mplcr-}" .1)[,}]" "$BATS_TEST_FILENAME" || fail "$page is in no test"
    done
}

@test "mplcr(7), mplcr-checkpoint(5)" { examples 0 "$project"/man/*.[57]; }
