/* SPDX-License-Identifier: MIT */
#include "undo_overlays.h"
#include "changes.h"
#include "remains.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/pulse.h"
#include "checkpoint/claim.h"
#include "image/has_data.h"
#include "image/in_use.h"
#include "qemu/block_job.h"
#include "qemu/nodes.h"
#include "qemu/versions.h"

/* How long a job may go on without any progress before it is given up. */
#define COMMIT_MS 300000
#define CANCEL_MS 15000

/* How long QEMU may take to close an image that it does not use any more. */
#define CLOSE_MS 2000
#define LOOK_MS 50

/* --- out of the VM ---------------------------------------------------------------------------------------------- */

/* QEMU's node for an overlay: ours, or the one that QEMU made itself. NULL where it does not use the file. */
static const json_t *node_of(const json_t *nodes, const struct changed_overlay *o)
{
	const struct node_wanted wanted = { .name = o->node, .path = o->path };

	return node_find(nodes, &wanted);
}

/* Brings the job to its end. */
static int complete(struct qmp *q, struct err *e)
{
	if (block_job_wait(q, UNDO_JOB, BLOCK_JOB_READY, COMMIT_MS, e) < 0)
		return -1;
	return block_job_held(q, "block-job-complete", json_of("{s:s}", "device", UNDO_JOB), UNDO_JOB,
			      BLOCK_JOB_GONE, COMMIT_MS, e);
}

static int run_commit(struct qmp *q, const struct changed_overlay *o, const char *node, struct err *e)
{
	bool by_node = qmp_version(q) >= QEMU_COMMIT_BASE_NODE;
	json_t *what = json_of("{s:s, s:s, s:s}", "job-id", UNDO_JOB, "device", node, by_node ? "base-node" : "base",
			       by_node ? o->below : o->below_path);

	if (block_job_held(q, "block-commit", what, UNDO_JOB, BLOCK_JOB_RUNS, COMMIT_MS, e) < 0)
		return -1;
	return complete(q, e);
}

/* The job came to nothing: it is not left to itself, where it would change the images some time later. */
static void drop_job(struct qmp *q, struct err *e)
{
	struct block_job job;
	struct err why;

	if (block_job_look(q, UNDO_JOB, &job, &why) < 0 || job.state == BLOCK_JOB_GONE)
		return;
	if (block_job_held(q, "block-job-cancel", json_of("{s:s, s:b}", "device", UNDO_JOB, "force", true),
			   UNDO_JOB, BLOCK_JOB_GONE, CANCEL_MS, &why) < 0)
		err_prefix(e, "the job '%s' still runs in QEMU (%s)", UNDO_JOB, why.text);
}

/* One that was begun by someone who died since: until it has ended, nothing else can be done to its images. */
static int finish_job(struct qmp *q, struct err *e)
{
	struct block_job job;

	if (block_job_look(q, UNDO_JOB, &job, e) < 0)
		return -1;
	if (job.state == BLOCK_JOB_GONE || complete(q, e) == 0)
		return 0;
	drop_job(q, e);
	return -1;
}

/* Commits the overlay into its backing file, and makes that the VM's active image again. */
static int commit(struct qmp *q, const struct changed_overlay *o, const json_t *node, struct err *e)
{
	if (node_is_file(node))
		return err_set(e, "QEMU still uses '%s'", o->path);
	if (run_commit(q, o, json_text(node, "node-name"), e) == 0)
		return 0;
	drop_job(q, e);
	return -1;
}

static void add_used(struct remains *r, const struct changed_overlay *o, const struct err *why)
{
	remains_add(r, why, "the VM writes to '%s'; undo it with the QMP command block-commit, base '%s'", o->path,
		    o->below_path);
}

/* --- out of the directory --------------------------------------------------------------------------------------- */

/* Whether a process uses the file; waits until `until` for QEMU, which has only just let go of it. */
static enum image_use use_of(struct in_use *u, const char *path, int64_t until)
{
	for (;; pulse_sleep_ms(LOOK_MS)) {
		enum image_use use = in_use_path(u, path);

		if (use == IMAGE_UNUSED || clock_over(until))
			return use;
		in_use_again(u);
	}
}

/* Returns 0, or -1 with a hint. */
static int remove_file(const struct changed_overlay *o, int64_t until, struct err *e)
{
	struct in_use u = { 0 };
	enum image_use use = use_of(&u, o->path, until);
	_cleanup_free_ char *words = use != IMAGE_UNUSED ? in_use_words_path(&u, o->path, use) : NULL;

	in_use_release(&u);
	if (words) {
		err_set(e, "'%s' stays, since it is in use: %s", o->path, words);
		return err_hint(e, "the VM does not need it any more: when nobody uses it, rm '%s'", o->path);
	}
	if (unlink(o->path) < 0 && errno != ENOENT) {
		err_sys(e, errno, "cannot remove '%s'", o->path);
		return err_hint(e, "the VM does not need it any more: rm '%s'", o->path);
	}
	claim_drop(o->below_path, o->path);
	return 0;
}

/*
 * A migration that was completed has set the images aside until the VM runs; one that stays paused needs them all the same.
 * Before QEMU 10 nothing but 'cont' gives them back.
 */
static void activate(struct qmp *q)
{
	struct err ignored;

	if (qmp_version(q) >= QEMU_SET_ACTIVE)
		(void)!qmp_run(q, "blockdev-set-active", json_of("{s:b}", "active", 1), NULL, &ignored);
}

void undo_overlays(const struct changes *c, struct qmp *q, struct remains *r)
{
	_cleanup_json_ json_t *before = NULL;
	_cleanup_json_ json_t *after = NULL;
	bool kept[MAX_FROZEN] = { false };
	int64_t until;
	struct err why;

	if (c->n_overlays == 0)
		return;
	if (finish_job(q, &why) < 0 || nodes_read(q, &before, &why) < 0) {
		add_used(r, &c->overlays[0], &why);
		return;
	}
	if (!c->was_running)
		activate(q);
	for (size_t i = c->n_overlays; i-- > 0;) { /* the last first, so that a chain of ours comes down in order */
		const json_t *node = node_of(before, &c->overlays[i]);

		kept[i] = node && commit(q, &c->overlays[i], node, &why) < 0;
		if (kept[i])
			add_used(r, &c->overlays[i], &why);
	}
	if (nodes_read(q, &after, &why) < 0) {
		add_used(r, &c->overlays[0], &why);
		return;
	}
	until = clock_in_ms(CLOSE_MS);
	for (size_t i = 0; i < c->n_overlays; i++) {
		const struct changed_overlay *o = &c->overlays[i];

		if (kept[i])
			continue;
		if (node_of(after, o)) {
			err_set(&why, "QEMU still uses '%s'", o->path);
			add_used(r, o, &why);
		} else if (remove_file(o, until, &why) < 0) {
			remains_add(r, &why, "%s", why.hint);
		}
	}
}

/* --- without QEMU ----------------------------------------------------------------------------------------------- */

/* Whether anything was written to the overlay since it was made. */
static bool is_written(const struct changed_overlay *o)
{
	struct stat st;

	if (o->half_made || stat(o->path, &st) < 0)
		return false;
	return clock_ns_of(st.st_mtim) != o->made_ns || image_has_data(o->path);
}

static void undo_without_vm(const struct changes *c, const struct changed_overlay *o, struct in_use *u,
			    int64_t until, struct remains *r)
{
	enum image_use use = use_of(u, o->path, until);
	_cleanup_free_ char *words = use != IMAGE_UNUSED ? in_use_words_path(u, o->path, use) : NULL;
	struct err why;

	if (words) {
		err_set(&why, "QEMU does not answer any more, and '%s' is in use: %s", o->path, words);
		remains_add(r, &why,
			    "where that is the VM, send '%s' to its QMP socket when it answers again; undo the overlay "
			    "with block-commit, base '%s'",
			    c->was_running ? "cont" : "stop", o->below_path);
	} else if (is_written(o)) {
		err_set(&why, "QEMU is gone, and '%s' holds what the guest wrote since the freeze", o->path);
		remains_add(r, &why, "start the VM from the overlays, or commit each with: qemu-img commit %s",
			    o->path);
	} else {
		unlink(o->path);
		claim_drop(o->below_path, o->path);
	}
}

void undo_overlays_without_vm(const struct changes *c, struct remains *r)
{
	int64_t until = clock_in_ms(CLOSE_MS);
	struct in_use u = { 0 };

	for (size_t i = 0; i < c->n_overlays; i++)
		undo_without_vm(c, &c->overlays[i], &u, until, r);
	in_use_release(&u);
}
