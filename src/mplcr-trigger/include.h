/* SPDX-License-Identifier: MIT */
/* The files of --include: other files of the same instant. */
#ifndef TRIGGER_INCLUDE_H
#define TRIGGER_INCLUDE_H

#include "checkpoint/manifest.h"
#include "options.h"
#include "plan.h"

/* The files of --include (include.c): whether and how each can be copied. */
int include_plan(struct plan *p, const struct options *o, struct err *e);
/* Records them, after the pause; `dirfd` is the checkpoint's directory. */
int include_record(struct manifest *m, const struct plan *p, int dirfd, struct err *e);

#endif
