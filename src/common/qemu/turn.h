/* SPDX-License-Identifier: MIT */
/*
 * One tool at a time changes a VM. A QMP socket sees to that for its own clients; a VM with two sockets would take two
 * checkpoints at once, of which one lays its overlays under those of the other, or takes the other's pause for the user's.
 * So whoever is about to change a VM takes its turn first.
 *
 * The turn is a lock (flock(2)) on a file of QEMU's in /proc that only QEMU's own user and root can open: nobody else can
 * keep us waiting, and nothing is left behind by those who die. It knows nothing of tools that came to the VM through a
 * program in between, or see another /proc.
 */
#ifndef MPLCR_QEMU_TURN_H
#define MPLCR_QEMU_TURN_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Waits, `wait_ms` milliseconds at most, until nobody else has the turn at the VM of process `qemu`; an end of the wait by
 * `interrupt` (as in qmp_set_interrupt) is an error, too. *turn becomes a descriptor, the caller's, that has the turn until
 * all copies of it are closed; -1 where the process cannot be looked at: then nobody waits. Returns 0 or -1.
 */
int turn_take(pid_t qemu, int wait_ms, int interrupt, int *turn, struct err *e) __attribute__((warn_unused_result));

#endif
