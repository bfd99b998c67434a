/* SPDX-License-Identifier: MIT */
/* The user's command in the pause (--at-freeze). */
#ifndef TRIGGER_AT_FREEZE_H
#define TRIGGER_AT_FREEZE_H

#include <stdint.h>

#include "plan.h"

/*
 * Runs the user's command with the paths of the frozen images on its standard input, one per line. *output (malloc'd,
 * or NULL) gets its output. Returns 0 if it ended with status 0 in time and before `deadline`, else -1.
 */
int at_freeze_run(const struct options *o, const struct plan *p, int64_t deadline, int interrupt, char **output,
		  struct err *e);
/* Shows the user what the command printed (NULL: nothing). */
void at_freeze_show(const char *output);
/* Its name in messages. */
#define AT_FREEZE_COMMAND "the command of --at-freeze"
/* In its environment: mplcr-snap may copy images that a VM has open for writing, since nothing changes them. */
#define AT_FREEZE_MARK "MPLCR_AT_FREEZE=1"

#endif
