/* SPDX-License-Identifier: MIT */
/* How memory is sent: what the patched QEMU can be told (QMP set-mplm-migration), and the user says with --mplm. */
#ifndef TRIGGER_PATCHED_MPLM_H
#define TRIGGER_PATCHED_MPLM_H

#include <stdbool.h>
#include <stdint.h>

struct mplm {
	bool given;
	uint64_t interval_s;    /* between two looks at what is dirty, seconds */
	uint64_t dirty_percent; /* share of dirty pages in what is sent */
	bool relax;
	bool first_nondirty; /* the first pass sends the pages that stay clean */
};

/* What QEMU does by itself. */
/* clang-format off */
#define MPLM_DEFAULT { .interval_s = 3, .dirty_percent = 50, .relax = true, .first_nondirty = true }
/* clang-format on */

#endif
