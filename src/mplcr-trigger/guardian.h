/* SPDX-License-Identifier: MIT */
/* The guardian of mplcr-trigger: it takes back the changes on the list. */
#ifndef TRIGGER_GUARDIAN_H
#define TRIGGER_GUARDIAN_H

#include "changes.h"
#include "qemu/guardian.h"

/* The list shared with the guardian, and the connection for the undo. */
struct guarded {
	struct changes *changes;
	struct qmp *q;
};

/*
 * Starts it: it does changes_undo on the connection when this process ends without guardian_dismiss or does not move in a pause, and
 * reads the pipe for the state empty meanwhile. `guarded` must last as long. Returns 0 or -1.
 */
int guard_changes(struct guardian *g, struct guarded *guarded, const int pipe_ends[2], struct err *e);

#endif
