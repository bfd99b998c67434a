/* SPDX-License-Identifier: MIT */
/* Takes back the list of changes: after a failure, after a signal, or in the guardian. */
#include "changes.h"
#include "patched/patched.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu/block_job.h"
#include "qemu/nodes.h"
#include "qemu/versions.h"
#include "qemu/vm.h"
#include "checkpoint/claim.h"
#include "checkpoint/remove.h"
#include "image/has_data.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/json.h"

/* Time limits for the steps of the undo. */
#define CANCEL_MS 15000
#define STUCK_MS 1000
#define DRAIN_MS 300000
#define COMMIT_MS 300000

static bool is_over(const char *status)
{
	return !status || strcmp(status, "none") == 0 || strcmp(status, "completed") == 0 ||
	       strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0;
}

/*
 * Ends the migration: cancels it or, if QEMU does not survive that (`unbreakable`), waits for its end while our own
 * thread or the guardian's reads and drops its data.
 */
static int undo_migration(const struct changes *c, struct qmp *q, struct err *e)
{
	int64_t until = clock_in_ms(c->unbreakable ? DRAIN_MS : patch_is_stuck(c) ? STUCK_MS : CANCEL_MS);
	bool cancelled = c->unbreakable;

	for (;; clock_sleep_ms(2)) {
		_cleanup_json_ json_t *info = NULL;

		if (qmp_run(q, "query-migrate", NULL, &info, e) < 0)
			return -1;
		if (is_over(json_text(info, "status")))
			return 0;
		if (!cancelled && qmp_run(q, "migrate_cancel", NULL, NULL, e) < 0)
			return -1;
		cancelled = true;
		if (clock_over(until))
			return err_set(e, "QEMU does not end its migration ('%s')", json_text(info, "status"));
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
 * Whether QEMU uses an overlay. *node (malloc'd; may be NULL) gets the name of its node: ours, or QEMU's for an overlay
 * that it made itself.
 */
static int overlay_in_use(struct qmp *q, const struct changed_overlay *o, char **node, bool *used, struct err *e)
{
	const struct node_wanted wanted = { .name = o->node, .path = o->path };
	_cleanup_json_ json_t *nodes = NULL;
	const json_t *found;

	*used = false;
	if (nodes_read(q, &nodes, e) < 0)
		return -1;
	found = node_find(nodes, &wanted);
	*used = found != NULL;
	if (node && found && !node_is_file(found))
		*node = text_copy(json_text(found, "node-name"));
	return 0;
}



/* Commits the overlay into its backing file, and makes that the VM's active image again. */
static int commit_overlay(struct qmp *q, const struct changed_overlay *o, const char *node, struct err *e)
{
	bool by_node = qmp_version(q) >= QEMU_COMMIT_BASE_NODE;
	json_t *what = json_of("{s:s, s:s, s:s}", "job-id", UNDO_JOB, "device", node, by_node ? "base-node" : "base",
			       by_node ? o->below : o->below_path);

	if (block_job_held(q, "block-commit", what, UNDO_JOB, BLOCK_JOB_RUNS, COMMIT_MS, e) < 0 ||
	    block_job_wait(q, UNDO_JOB, BLOCK_JOB_READY, COMMIT_MS, e) < 0)
		return -1;
	return block_job_held(q, "block-job-complete", json_of("{s:s}", "device", UNDO_JOB), UNDO_JOB,
			      BLOCK_JOB_GONE, COMMIT_MS, e);
}

/* One that was begun by someone who died since is brought to its end: until then nothing else can be done to its images. */
static int finish_commit(struct qmp *q, struct err *e)
{
	struct block_job job;

	if (block_job_look(q, UNDO_JOB, &job, e) < 0 || job.state == BLOCK_JOB_GONE)
		return job.state == BLOCK_JOB_GONE ? 0 : -1;
	if (block_job_wait(q, UNDO_JOB, BLOCK_JOB_READY, COMMIT_MS, e) < 0)
		return -1;
	return block_job_held(q, "block-job-complete", json_of("{s:s}", "device", UNDO_JOB), UNDO_JOB,
			      BLOCK_JOB_GONE, COMMIT_MS, e);
}

static int undo_overlay(struct qmp *q, const struct changed_overlay *o, struct err *e)
{
	_cleanup_free_ char *node = NULL;
	bool used;

	if (finish_commit(q, e) < 0 || overlay_in_use(q, o, &node, &used, e) < 0)
		return -1;
	if (used && node && (commit_overlay(q, o, node, e) < 0 || overlay_in_use(q, o, NULL, &used, e) < 0))
		return -1;
	if (used)
		return err_set(e, "QEMU still uses '%s'", o->path);
	if (unlink(o->path) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot remove '%s'", o->path);
	claim_drop(o->below_path, o->path);
	return 0;
}

/* Collects the failed steps of the undo. */
struct remains {
	char text[700];
	char hint[500];
};

__attribute__((format(printf, 3, 4))) static void remains_add(struct remains *r, const struct err *why, const char *fmt,
							      ...)
{
	size_t used = strlen(r->text);
	va_list ap;

	snprintf(r->text + used, sizeof(r->text) - used, "%s%s", used ? "; " : "", why->text);
	if (r->hint[0])
		return;
	va_start(ap, fmt);
	vsnprintf(r->hint, sizeof(r->hint), fmt, ap);
	va_end(ap);
}

/* Whether anything was written to the overlay since it was made. */
static bool is_written(const struct changed_overlay *o)
{
	struct stat st;

	if (stat(o->path, &st) < 0)
		return false;
	return (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec != o->made_ns || image_has_data(o->path);
}

/* Whether some process has the image open: QEMU holds locks on its images (block/file-posix.c). */
static bool is_locked(const struct changed_overlay *o)
{
	_cleanup_close_ int fd = open(o->path, O_RDWR | O_CLOEXEC);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* The result of the undo: 0 if nothing remains. */
static int remains_tell(const struct remains *r, struct err *e)
{
	if (!r->text[0])
		return 0;
	err_set(e, "%s", r->text);
	e->status = EXIT_PARTIAL;
	return err_hint(e, "%s", r->hint);
}

/*
 * QEMU no longer answers. Usually it has ended, and nothing uses the overlays; an overlay that the guest wrote to, or
 * that some process has open, stays.
 */
int changes_leave(struct changes *c, struct err *e)
{
	struct remains r = { .text = "" };
	struct err why;

	if (c->partial[0] && checkpoint_dir_remove(c->partial, &why) < 0)
		remains_add(&r, &why, "rm -r %s", c->partial);
	for (size_t i = 0; i < c->n_overlays; i++) {
		const struct changed_overlay *o = &c->overlays[i];

		if (is_locked(o)) {
			err_set(&why, "QEMU does not answer any more, and its VM uses '%s'", o->path);
			remains_add(&r, &why,
				    "send '%s' to its QMP socket when it answers again; undo the overlay with "
				    "block-commit, base '%s'",
				    c->was_running ? "cont" : "stop", o->below_path);
		} else if (is_written(o)) {
			err_set(&why, "QEMU is gone, and '%s' holds what the guest wrote since the freeze", o->path);
			remains_add(&r, &why, "start the VM from the overlays, or commit each with: qemu-img commit %s",
				    o->path);
		} else {
			unlink(o->path);
			claim_drop(o->below_path, o->path);
		}
	}
	*c = (struct changes){ 0 };
	return remains_tell(&r, e);
}

static void tell_waiting(void *ctx, const char *text)
{
	(void)ctx;
	cli_tell("%s", text);
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
	struct err why;

	if (!changes_any(c))
		return 0;
	patch_remove_files(c); /* before QEMU is asked, which may be about to wait for them */
	qmp_be_patient(q, tell_waiting, NULL);
	if (qmp_take_over(q, &why) < 0)
		return no_answer(c, q, e);
	if (c->migration && undo_migration(c, q, &why) < 0)
		remains_add(&r, &why,
			    patch_is_stuck(c) ? "the VM runs on; but this QEMU cannot migrate or be checkpointed "
					     "until it is restarted"
					   : "send migrate_cancel to its QMP socket");
	if (patch_off(c, q, &why) < 0)
		remains_add(&r, &why, "send live-checkpointing-disable to its QMP socket");
	if (c->run_state) /* as early as possible; checked again at the end */
		(void)!undo_run_state(q, c->was_running, false, &why);
	if (!qmp_alive(q))
		return no_answer(c, q, e);
	if (changes_put_back(c, q, &why) < 0 && !patch_is_stuck(c))
		remains_add(&r, &why, "query-migrate-capabilities and query-migrate-parameters show what is set");
	if (c->pipe) { /* fails if the migration has taken it, as it should, or was never given it */
		(void)!qmp_run(q, "closefd", json_of("{s:s}", "fdname", PIPE_NAME), NULL, &why);
		(void)!qmp_run(q, "closefd", json_of("{s:s}", "fdname", PIPE_KEPT_NAME), NULL, &why);
	}
	if (c->partial[0] && checkpoint_dir_clear(c->partial, &why) < 0) /* makes room for the guest's data */
		remains_add(&r, &why, "rm -r %s", c->partial);
	for (size_t i = c->n_overlays; i-- > 0;) /* the last first, so that a chain of ours comes down in order */
		if (undo_overlay(q, &c->overlays[i], &why) < 0)
			remains_add(&r, &why,
				    "the VM writes to '%s'; undo it with the QMP command block-commit, base '%s'",
				    c->overlays[i].path, c->overlays[i].below_path);
	/* QEMU stopped a guest that wrote to an overlay while our state filled the disk (io-error) */
	if (c->run_state && undo_run_state(q, c->was_running, true, &why) < 0)
		remains_add(&r, &why, "send '%s' to its QMP socket", c->was_running ? "cont" : "stop");
	if (qmp_gave_up(q))
		return no_answer(c, q, e);
	/* what is still to be undone is in its journal; of a stuck migration nothing is */
	if (c->partial[0] && (!r.text[0] || patch_is_stuck(c)) && checkpoint_dir_remove(c->partial, &why) < 0)
		remains_add(&r, &why, "rm -r %s", c->partial);
	*c = (struct changes){ 0 };
	return remains_tell(&r, e);
}
