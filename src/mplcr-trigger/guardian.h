/* SPDX-License-Identifier: MIT */
/* The guardian of mplcr-trigger: it takes back the changes on the list. */
#ifndef TRIGGER_GUARDIAN_H
#define TRIGGER_GUARDIAN_H

#include "changes.h"
#include "qemu/guardian.h"

/*
 * Starts it: on the connection `q` it does changes_undo when this process ends without guardian_dismiss, and reads the pipe for the state
 * empty meanwhile. Returns 0 or -1.
 */
int guard_changes(struct guardian *g, struct changes *c, struct qmp *q, const int pipe_ends[2], struct err *e);

#endif
