/* SPDX-License-Identifier: MIT */
/* Takes back the list of changes: after a failure, after a signal, or in the guardian. */
#include "changes.h"
#include "patched/patched.h"
#include "remains.h"
#include "undo_overlays.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "qemu/vm.h"
#include "checkpoint/remove.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/pulse.h"

/* How long a migration may go on without any progress, while it is cancelled, is stuck, or is let run to its end. */
#define CANCEL_MS 15000
#define STUCK_MS 1000
#define DRAIN_MS 300000

/* Takes our pipe back. Where QEMU still kept it under its name, our migration has not begun. */
static void undo_pipe(struct changes *c, struct qmp *q)
{
	struct err why;

	if (c->pipe && qmp_run(q, "closefd", json_of("{s:s}", "fdname", PIPE_NAME), NULL, &why) == 0)
		c->migration = false;
}

/*
 * Whether our migration goes on: when it is over, QEMU has let go of the pipe. One whose state goes elsewhere has no pipe,
 * and cannot be told from others.
 */
static bool goes_on(const struct changes *c)
{
	struct pollfd p = { .fd = c->pipe_end, .events = POLLIN };

	return !c->pipe || c->pipe_end <= STDERR_FILENO || poll(&p, 1, 0) < 0 || !(p.revents & POLLHUP);
}

static int64_t patience_ms(const struct changes *c)
{
	return c->unbreakable ? DRAIN_MS : patch_is_stuck(c) ? STUCK_MS : CANCEL_MS;
}

/*
 * Ends our migration, and nobody else's: cancels it or, if QEMU does not survive that (`unbreakable`), waits for its end
 * while our own thread or the guardian's reads and drops its data.
 */
static int undo_migration(const struct changes *c, struct qmp *q, struct err *e)
{
	struct progress progress = { 0 };
	bool cancelled = c->unbreakable;

	for (;; pulse_sleep_ms(2)) {
		_cleanup_json_ json_t *info = NULL;
		bool ours = goes_on(c); /* before the question: what QEMU shows after the end of ours is another */
		const char *status;

		if (qmp_run(q, "query-migrate", NULL, &info, e) < 0)
			return -1;
		status = json_text(info, "status");
		if (vm_migration_is_over(status) || (!ours && strcmp(status, "cancelling") != 0))
			return 0;
		if (ours && !cancelled && qmp_run(q, "migrate_cancel", NULL, NULL, e) < 0)
			return -1;
		cancelled |= ours;
		if (progress_has_stalled(&progress, json_int(json_object_get(info, "ram"), "transferred", 0),
					 patience_ms(c), clock_ns()))
			return err_set(e, "QEMU does not end its migration ('%s')", status);
	}
}

/*
 * Resumes or pauses the VM as before; a cancelled migration may still be about to change its state. A guest that QEMU
 * stopped for an I/O error (its overlay's disk is full) only resumes at the very end, when there is space again: a
 * retried write that fails a second time is lost on IDE disks (measured on 7.2).
 */
static int undo_run_state(struct qmp *q, bool was_running, bool at_last, struct err *e)
{
	return vm_insist(q, was_running, !at_last, e);
}

/*
 * Whether a migration that is not ours has stopped the VM: it goes on elsewhere then, and must not run here, too. Only who
 * has seen the whole run can tell, not recover.
 */
static bool is_moving(const struct changes *c, struct qmp *q, struct err *e)
{
	struct vm_status status;

	if (c->migration || c->pipe_end <= STDERR_FILENO || vm_status_read(q, &status, e) < 0)
		return false;
	if (strcmp(status.state, "postmigrate") != 0 && strcmp(status.state, "finish-migrate") != 0)
		return false;
	err_set(e, "a migration that is not ours has stopped the VM ('%s')", status.state);
	return true;
}

/* The list is empty; the journal is the tool's, to be closed. */
static void all_undone(struct changes *c)
{
	*c = (struct changes){ .journal = c->journal };
}

/*
 * QEMU no longer answers. Usually it has ended, and nothing uses the overlays; an overlay that the guest wrote to, or
 * that some process has open, stays.
 */
int changes_leave(struct changes *c, struct err *e)
{
	struct remains r = { .text = "" };
	struct err why;

	changes_unclaim(c);
	if (c->partial[0] && checkpoint_dir_remove(c->partial, &why) < 0)
		remains_add(&r, &why, "rm -r %s", c->partial);
	undo_overlays_without_vm(c, &r);
	all_undone(c);
	return remains_tell(&r, e);
}

/* QEMU is gone, or the wait for it was given up: then the list stays as it is, for the guardian. */
static int no_answer(struct changes *c, const struct qmp *q, struct err *e)
{
	char name[40];

	if (!qmp_gave_up(q))
		return changes_leave(c, e);
	err_set(e, "%s does not answer: what was changed in the VM is not taken back yet%s", qmp_peer_name(q, name),
		c->run_state && c->was_running ? ", and the VM may be paused" : "");
	e->status = EXIT_PARTIAL;
	e->sys = ETIMEDOUT;
	return err_hint(e, "'%s' to its QMP socket, when that answers again, lets the VM go on as before",
			c->was_running ? "cont" : "stop");
}

int changes_undo(struct changes *c, struct qmp *q, struct err *e)
{
	struct remains r = { .text = "" };
	enum patch_queue queue = PATCH_QUEUE_EMPTY;
	bool over = true;
	struct err why;

	if (!changes_any(c))
		return 0;
	changes_unclaim(c);
	patch_remove_files(c); /* before QEMU is asked, which may be about to wait for them */
	qmp_be_patient(q);
	if (qmp_take_over(q, &why) < 0)
		return no_answer(c, q, e);
	undo_pipe(c, q);
	if (c->migration && undo_migration(c, q, &why) < 0) {
		over = false;
		remains_add(&r, &why,
			    patch_is_stuck(c) ? "the VM runs on; but this QEMU cannot migrate or be checkpointed "
					     "until it is restarted"
					   : "send migrate_cancel to its QMP socket");
	}
	if (patch_off(c, q, &why) < 0)
		remains_add(&r, &why, "send live-checkpointing-disable to its QMP socket");
	if (is_moving(c, q, &why)) {
		remains_add(&r, &why, "where it does not arrive, send 'cont' to its QMP socket");
		c->run_state = false;
	}
	if (c->run_state) /* as early as possible; checked again at the end */
		(void)!undo_run_state(q, c->was_running, false, &why);
	if (!qmp_alive(q))
		return no_answer(c, q, e);
	if (changes_put_back(c, q, &why) < 0 && !patch_is_stuck(c))
		remains_add(&r, &why, "query-migrate-capabilities and query-migrate-parameters show what is set");
	if (c->pipe) /* fails if there was no need for it */
		(void)!qmp_run(q, "closefd", json_of("{s:s}", "fdname", PIPE_KEPT_NAME), NULL, &why);
	if (c->partial[0] && checkpoint_dir_clear(c->partial, &why) < 0) /* makes room for the guest's data */
		remains_add(&r, &why, "rm -r %s", c->partial);
	if (over)
		queue = patch_settle(q);
	undo_overlays(c, q, &r);
	/* QEMU stopped a guest that wrote to an overlay while our state filled the disk (io-error) */
	if (c->run_state && undo_run_state(q, c->was_running, true, &why) < 0)
		remains_add(&r, &why, "send '%s' to its QMP socket", c->was_running ? "cont" : "stop");
	if (qmp_gave_up(q))
		return no_answer(c, q, e);
	/* what is still to be undone is in its journal; of a stuck migration nothing is */
	if (c->partial[0] && (!r.text[0] || patch_is_stuck(c)) && checkpoint_dir_remove(c->partial, &why) < 0)
		remains_add(&r, &why, "rm -r %s", c->partial);
	patch_queue_tell(queue);
	all_undone(c);
	return remains_tell(&r, e);
}
