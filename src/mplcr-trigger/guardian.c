/* SPDX-License-Identifier: MIT */
#include "guardian.h"

#include "base/cli.h"
#include "base/clock.h"

/* In the guardian: mplcr-trigger is gone. */
static int undo(void *ctx, const struct guardian_story *story)
{
	struct guarded *g = ctx;
	struct err e;

	cli_become("mplcr-guardian");
	if (!changes_any(g->changes))
		return EXIT_DONE;
	qmp_set_watcher(g->q, NULL, NULL);
	qmp_set_interrupt(g->q, -1);
	qmp_set_deadline(g->q, CLOCK_NEVER);
	if (changes_undo(g->changes, g->q, &e) == 0) {
		err_set(&e, "mplcr-trigger %s; the VM is as it was before", story->what);
		cli_report(&e);
		return EXIT_DONE;
	}
	err_prefix(&e, "mplcr-trigger %s, and not everything could be undone", story->what);
	return cli_report(&e);
}

int guard_changes(struct guardian *g, struct guarded *guarded, const int pipe_ends[2], struct err *e)
{
	const struct guardian_duty duty = { .undo = undo, .ctx = guarded, .q = guarded->q, .pipe = pipe_ends };

	return guardian_start(g, &duty, e);
}
