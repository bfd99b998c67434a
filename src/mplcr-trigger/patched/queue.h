/* SPDX-License-Identifier: MIT */
/* Overlays that the patched QEMU makes by itself at the pause. */
#ifndef TRIGGER_PATCHED_QUEUE_H
#define TRIGGER_PATCHED_QUEUE_H

#include "base/err.h"

struct kept;
struct options;
struct plan;
struct qmp;

/*
 * Whether the patched QEMU can freeze the disks so: its limits. Marks the plan as queued where it makes overlays.
 * Returns 0 or -1.
 */
int queue_plan(struct plan *p, const struct options *o, const struct kept *k, struct err *e);
/* Queues all overlays. They cannot be taken from the queue again. */
int queue_overlays(const struct plan *p, struct kept *k, struct qmp *q, struct err *e);

#endif
