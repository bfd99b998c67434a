/* SPDX-License-Identifier: MIT */
/* Waiting for something as long as it makes progress, however slowly. */
#ifndef MPLCR_PROGRESS_H
#define MPLCR_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct progress {
	int64_t value; /* any measure of it, at the last look */
	int64_t since; /* when that changed last (clock.h); 0: not looked yet */
};

/* One look, at the time `now`: whether the value has stood still for `ms` milliseconds. */
static inline bool progress_has_stalled(struct progress *p, int64_t value, int64_t ms, int64_t now)
{
	if (!p->since || p->value != value)
		*p = (struct progress){ .value = value, .since = now };
	return now - p->since > ms * NS_PER_MS;
}

#endif
