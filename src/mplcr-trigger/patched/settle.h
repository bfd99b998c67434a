/* SPDX-License-Identifier: MIT */
/* Whether QEMU has made the overlays that were queued in it: it does not tell, but what it does shows it. */
#ifndef TRIGGER_PATCHED_SETTLE_H
#define TRIGGER_PATCHED_SETTLE_H

#include "base/err.h"

struct kept;
struct qmp;

/* A migration is about to begin that makes them: by the last one before it, it will be known. Stores nothing. */
int settle_begin(struct kept *k, struct qmp *q, struct err *e);

/*
 * Strikes all off where QEMU has made them, and stores that. To be called while no migration of ours goes on, and before
 * overlays are taken out of the VM. Returns 0 or -1.
 */
int settle_queue(struct kept *k, struct qmp *q, struct err *e);

#endif
