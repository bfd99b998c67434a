/* SPDX-License-Identifier: MIT */
/* QEMU's own trace events, switched on for the time of a record and off again. */
#ifndef MPLCR_TRACE_TRACE_EVENTS_H
#define MPLCR_TRACE_TRACE_EVENTS_H

#include <stddef.h>

#include "base/err.h"
#include "qemu/qmp.h"

/* The trace events that were off and that we switched on. */
struct switched {
	char **names;
	size_t n;
};

/*
 * Switches those on that tell of a migration, but for those that come for every page. Each is noted in *s before it is
 * switched. Returns 0, or -1 also where QEMU has none to switch.
 */
int switched_on(struct switched *s, struct qmp *q, struct err *e) __attribute__((warn_unused_result));

/*
 * Switches exactly those off again, also over a connection that was left in the middle of a command. Goes on after one
 * that fails. Returns 0, or -1 with how to do it by hand.
 */
int switched_off(struct switched *s, struct qmp *q, struct err *e) __attribute__((warn_unused_result));

void switched_release(struct switched *s);

#endif
