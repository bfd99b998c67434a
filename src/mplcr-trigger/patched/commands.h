/* SPDX-License-Identifier: MIT */
/* The commands of the MPLCR patch; what is switched on is on the list of changes (patched/changed.h). */
#ifndef TRIGGER_PATCHED_COMMANDS_H
#define TRIGGER_PATCHED_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct changes;
struct mplm;
struct qmp;

/* The commands of the patch that QEMU lacks, as a list in words: "" where it has the patch. Returns 0 or -1. */
int patch_missing(struct qmp *q, char *text, size_t size, struct err *e);

/*
 * How the next migration sends memory, or (enable false) that it does so plainly, without the patch's part in it. Acts
 * on one that is under way, too.
 */
int patch_set(struct changes *c, const struct mplm *m, bool enable, struct qmp *q, struct err *e);
/* Makes the next migration a checkpoint; does nothing where that is so already. */
int patch_enable(struct changes *c, struct qmp *q, struct err *e);
int patch_max_rate(struct changes *c, struct qmp *q, struct err *e);
int patch_extend_live(struct changes *c, struct qmp *q, struct err *e);
int patch_end_live(struct changes *c, struct qmp *q, struct err *e);
/* The socket on which end-live reaches us (end_live.c). */
void patch_remove_live_socket(struct changes *c);

#endif
