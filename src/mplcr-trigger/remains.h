/* SPDX-License-Identifier: MIT */
/* What an undo could not take back, in words: collected from its steps, and told as one error. */
#ifndef TRIGGER_REMAINS_H
#define TRIGGER_REMAINS_H

#include "base/err.h"

struct remains {
	char text[700];
	char hint[500]; /* the first step's */
};

/* A step failed: why, and what the user can do about it. */
__attribute__((format(printf, 3, 4))) void remains_add(struct remains *r, const struct err *why, const char *fmt, ...);

/* The result of the undo: 0 where nothing remains, or -1 with status EXIT_PARTIAL. */
int remains_tell(const struct remains *r, struct err *e);

#endif
