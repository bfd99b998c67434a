#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# The fault matrix: what may happen to mplcr-trigger (killed, stopped, both processes killed, an error, silence, a slow
# answer, a closed connection, a full disk, …) at each QMP command that it sends and each file operation that matters, for
# each engine, way of freezing and run state. After each the VM is as it was, or the checkpoint is complete; the guest's
# own checks find nothing; no file is left over; exit status and message are true. docs/reliability.md tells more.
#
# Without TORTURE_CELLS (make torture), only a few of them, chosen by TORTURE_SEED, which is printed.

load helpers
load trigger
load filesystems
load torture

teardown() { fs_end; scratch_end; }

@test "faults: background, overlay" { torture overlay running --engine background; }

@test "faults: background, overlay, paused before" { torture overlay paused --engine background; }

@test "faults: stop, overlay" { torture overlay running --engine stop; }

@test "faults: stop, overlay, paused before" { torture overlay paused --engine stop; }

# bats test_tags=qemu9
@test "faults: precopy, overlay" {
    require 'qemu>=9' "precopy under TCG loses writes before QEMU 9.0"
    torture overlay running --engine precopy
}

@test "faults: background, reflink" { torture reflink running --engine background; }

@test "faults: stop, reflink, paused before" { torture reflink paused --engine stop; }

@test "faults: background, subvolume" { torture subvolume running --engine background; }
