/* SPDX-License-Identifier: MIT */
#include "guardian.h"

#include <stdio.h>

#include "base/cli.h"

/* The list shared with the guardian, and the connection for the undo. */
struct guarded {
	struct changes *changes;
	struct qmp *q;
};

/* In the guardian: mplcr-trigger has died. */
static int undo(void *ctx, char told)
{
	struct guarded *g = ctx;
	struct err e;

	(void)told;
	if (!changes_any(g->changes))
		return EXIT_DONE;
	qmp_set_watcher(g->q, NULL, NULL);
	if (changes_undo(g->changes, g->q, &e) == 0) {
		fputs("mplcr-guardian: mplcr-trigger died; the VM is as it was before\n", stderr);
		return EXIT_DONE;
	}
	err_prefix(&e, "it died, and not everything could be undone");
	return cli_report(&e);
}

int guard_changes(struct guardian *g, struct changes *c, struct qmp *q, const int pipe_ends[2], struct err *e)
{
	struct guarded guarded = { c, q };
	const struct guardian_duty duty = { .undo = undo, .ctx = &guarded, .pipe = pipe_ends };

	return guardian_start(g, &duty, e);
}
