/* SPDX-License-Identifier: MIT */
/* The way through a checkpoint. */
#ifndef TRIGGER_CHECKPOINT_H
#define TRIGGER_CHECKPOINT_H

#include "options.h"

/* Takes the checkpoint (or does the dry run) and prints the report. Returns 0 or -1. */
int checkpoint_take(const struct options *o, struct err *e);

#endif
