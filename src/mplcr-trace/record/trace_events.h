/* SPDX-License-Identifier: MIT */
/* Switches on QEMU's own trace events while recording. */
#ifndef MPLCR_TRACE_TRACE_EVENTS_H
#define MPLCR_TRACE_TRACE_EVENTS_H

#include <stddef.h>

#include "base/err.h"
#include "qemu/qmp.h"

/* The trace events that we switched on. */
struct switched {
	char **names;
	size_t n;
};

/*
 * Switches on the events of a migration, except those that come for every page. Notes each in *s before switching it.
 * Returns 0, or -1, also if QEMU has none to switch.
 */
int switched_on(struct switched *s, struct qmp *q, struct err *e) __attribute__((warn_unused_result));

/*
 * Switches exactly those off again, also over a connection left in the middle of a command. Goes on after a failure.
 * Returns 0, or -1 with the manual way in the hint.
 */
int switched_off(struct switched *s, struct qmp *q, struct err *e) __attribute__((warn_unused_result));

void switched_release(struct switched *s);

#endif
