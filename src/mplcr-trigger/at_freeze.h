/* SPDX-License-Identifier: MIT */
/* The user's command in the pause (--at-freeze). */
#ifndef TRIGGER_AT_FREEZE_H
#define TRIGGER_AT_FREEZE_H

#include <stdint.h>

#include "plan.h"

/*
 * Runs the user's command, with the paths of the images that stand still on its standard input, one a line. *output
 * (malloc'd, or NULL) gets what it printed. Returns 0 where it ended with status 0 in time and before `deadline`, else
 * -1.
 */
int at_freeze_run(const struct options *o, const struct plan *p, int64_t deadline, int interrupt, char **output,
		  struct err *e);
/* Shows the user what the command printed (NULL: nothing). */
void at_freeze_show(const char *output);
/* What it is called in messages. */
#define AT_FREEZE_COMMAND "the command of --at-freeze"
/* What its environment has: mplcr-snap may copy images that a VM has open for writing, since they stand still. */
#define AT_FREEZE_MARK "MPLCR_AT_FREEZE=1"

#endif
