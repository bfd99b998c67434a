/* SPDX-License-Identifier: MIT */
#include "recover/recover.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "changes.h"
#include "checkpoint/names.h"
#include "image/has_data.h"
#include "patched/patched.h"
#include "qemu/block_job.h"
#include "qemu/image_path.h"

struct running {
	struct recover *r;
	const struct unfinished *u;
	struct reached *v;
	struct changes *changes; /* what is to be taken back */
	int pipe;                /* the end to read of the pipe that QEMU writes our state into, or -1 */
};

/* --- the pipe --------------------------------------------------------------------------------------------------- */

/* Opens the pipe, where it is the one at /proc/PID/fd/NAME. */
static int open_if(const char *pid, const char *name, const char *wanted)
{
	_cleanup_free_ char *path = text_of("/proc/%s/fd/%s", pid, name);
	char target[64];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	int fd;

	if (n < 0)
		return -1;
	target[n] = '\0';
	if (strcmp(target, wanted) != 0)
		return -1;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* else it would wait for a writer */
	if (fd >= 0)
		(void)!fcntl(fd, F_SETFL, 0);
	return fd;
}

static int open_in(const char *pid, const char *wanted)
{
	_cleanup_free_ char *path = text_of("/proc/%s/fd", pid);
	DIR *dir = opendir(path);
	struct dirent *entry;
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir)) != NULL)
		fd = open_if(pid, entry->d_name, wanted);
	if (dir)
		closedir(dir);
	return fd;
}

/*
 * The pipe that the state was to go through, by its inode: while a process still has it, which is QEMU, the migration that
 * writes into it is ours. -1 where none has.
 */
static int open_pipe(uint64_t inode)
{
	_cleanup_free_ char *wanted = text_of("pipe:[%llu]", (unsigned long long)inode);
	DIR *proc = inode ? opendir("/proc") : NULL;
	struct dirent *entry;
	int fd = -1;

	while (proc && fd < 0 && (entry = readdir(proc)) != NULL)
		if (strtol(entry->d_name, NULL, 10) > 0)
			fd = open_in(entry->d_name, wanted);
	if (proc)
		closedir(proc);
	return fd;
}

/* --- what is found ---------------------------------------------------------------------------------------------- */

static void find_run_state(struct running *g)
{
	struct vm_status status;
	struct err ignored;

	if (!g->u->at_work || vm_status_read(g->v->q, &status, &ignored) < 0)
		return;
	g->changes->run_state = true;
	if (g->u->was_running && !status.running)
		finding_add(g->r, "paused", g->u->socket, "let it run", "the VM is paused ('%s'), and ran before",
			    status.state);
	else if (!g->u->was_running && status.running)
		finding_add(g->r, "running", g->u->socket, "pause it", "the VM runs, and was paused before");
}

/* A migration under way is ours where it writes into our pipe; and one that was sent elsewhere had none. */
static void find_migration(struct running *g)
{
	_cleanup_json_ json_t *info = NULL;
	struct err ignored;

	if (!g->u->at_work || qmp_run(g->v->q, "query-migrate", NULL, &info, &ignored) < 0 ||
	    vm_migration_is_over(json_text(info, "status")))
		return;
	g->pipe = open_pipe(g->u->pipe);
	if (g->pipe < 0 && g->u->pipe) {
		finding_add(g->r, "migration", g->u->socket, "wait until it has ended",
			    "a migration of the VM is under way that is not known to be ours")
			->outcome = LEFT;
		return;
	}
	g->changes->migration = true;
	finding_add(g->r, "migration", g->u->socket, g->u->unbreakable ? "read it to its end" : "cancel it",
		    "the migration of this checkpoint is under way ('%s')", json_text(info, "status"));
}

static void find_job(struct running *g)
{
	struct block_job job;
	struct err ignored;

	if (block_job_look(g->v->q, UNDO_JOB, &job, &ignored) == 0 && job.state != BLOCK_JOB_GONE)
		finding_add(g->r, "job", g->u->socket, "bring it to its end",
			    "a block job of ours that takes an overlay back, '%s'", UNDO_JOB);
}

/* Those of the recorded capabilities that are not so now, as a list for migrate-set-capabilities. */
static json_t *changed_capabilities(const struct running *g)
{
	_cleanup_json_ json_t *now = NULL;
	json_t *changed = json_array(), *was;
	struct err ignored;
	size_t i, k;

	if (qmp_run(g->v->q, "query-migrate-capabilities", NULL, &now, &ignored) < 0)
		return changed;
	json_array_foreach(g->u->capabilities, i, was) {
		const json_t *is;

		json_array_foreach(now, k, is)
			if (json_text(was, "capability") && json_text(is, "capability") &&
			    strcmp(json_text(was, "capability"), json_text(is, "capability")) == 0 &&
			    json_flag(was, "state") != json_flag(is, "state"))
				json_array_append(changed, was);
	}
	return changed;
}

static json_t *changed_parameters(const struct running *g)
{
	_cleanup_json_ json_t *now = NULL;
	json_t *changed = json_object(), *was;
	struct err ignored;
	const char *name;

	if (!g->u->parameters || qmp_run(g->v->q, "query-migrate-parameters", NULL, &now, &ignored) < 0)
		return changed;
	json_object_foreach(g->u->parameters, name, was) {
		const json_t *is = json_object_get(now, name);

		if (is && !json_equal(was, is))
			json_object_set(changed, name, was);
	}
	return changed;
}

/* Finds settings that are not as before, and notes them as JSON in `room`. */
static void find_settings(struct running *g, const char *kind, const json_t *changed, size_t n, char *room,
			  size_t size)
{
	_cleanup_free_ char *text = memory_checked(json_dumps(changed, JSON_COMPACT));

	if (n == 0 || strlen(text) >= size)
		return;
	strcpy(room, text);
	finding_add(g->r, kind, g->u->socket, "put them back", "%s of the VM are changed, and were %s",
		    kind, text);
}

static void find_all_settings(struct running *g)
{
	_cleanup_json_ json_t *capabilities = changed_capabilities(g), *parameters = changed_parameters(g);
	struct changes *c = g->changes;

	find_settings(g, "capabilities", capabilities, json_array_size(capabilities), c->capabilities,
		      sizeof(c->capabilities));
	find_settings(g, "parameters", parameters, json_object_size(parameters), c->parameters, sizeof(c->parameters));
}

/* --- overlays --------------------------------------------------------------------------------------------------- */

enum overlay_place { UNUSED, ACTIVE, COVERED };

/* Where the VM has the overlay: a disk writes to it, or to something over it. */
static enum overlay_place place_of(const struct running *g, const char *overlay)
{
	for (size_t d = 0; d < g->v->disks.n_disks; d++) {
		const struct disk *disk = &g->v->disks.disks[d];

		for (size_t i = 0; i < disk->n_chain; i++)
			if (disk->chain[i].path && image_same(disk->chain[i].path, overlay))
				return i == 0 ? ACTIVE : COVERED;
	}
	return UNUSED;
}

/* Puts the overlay on the list of what is to be undone. */
static void add_overlay(struct running *g, const struct unfinished_disk *d)
{
	changes_add_overlay(g->changes, d->overlay, d->node, d->below, d->frozen)->made_ns = d->made_ns;
}

static struct finding *find_overlay(struct running *g, const struct unfinished_disk *d)
{
	struct recover *r = g->r;

	switch (place_of(g, d->overlay)) {
	case ACTIVE:
		add_overlay(g, d);
		return finding_add(r, "overlay", d->overlay, "commit it into that, and remove it",
				   "disk '%s' writes to it, over '%s'", d->device, d->frozen);
	case COVERED:
		return finding_add(r, "kept", d->overlay, NULL,
				   "disk '%s' has it in its chain, under later overlays: it stays", d->device);
	case UNUSED:
		break;
	}
	if (image_has_data(d->overlay))
		return finding_add(r, "kept", d->overlay, NULL,
				   "the VM does not use it any more, and it holds data: it stays");
	add_overlay(g, d);
	return finding_add(r, "orphan", d->overlay, "remove it", "the VM does not use it, and it holds nothing");
}

static void find_overlays(struct running *g)
{
	for (size_t i = 0; i < g->u->n_disks; i++) {
		const struct unfinished_disk *d = &g->u->disks[i];
		struct finding *f;

		if (!unfinished_has_overlay(d))
			continue;
		f = find_overlay(g, d);
		f->device = text_copy(d->device);
		f->frozen = text_copy(d->frozen);
	}
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static void find_all(struct running *g)
{
	struct changes *c = g->changes;

	c->was_running = g->u->was_running;
	c->unbreakable = g->u->unbreakable;
	c->pipe = g->u->at_work;
	snprintf(c->partial, sizeof(c->partial), "%s", g->u->partial);
	patch_from_json(&c->patch, g->u->patch, g->u->socket);
	find_run_state(g);
	find_migration(g);
	find_all_settings(g);
	find_job(g);
	find_overlays(g);
	finding_add(g->r, "partial", g->u->partial, "remove it", "half a checkpoint of %s, engine %s", g->u->created,
		    g->u->engine);
}

/* Takes all back. */
static void undo(struct running *g, size_t from)
{
	pthread_t drainer;
	struct err e;
	bool drains = g->pipe >= 0 && pthread_create(&drainer, NULL, fd_drain_thread, &g->pipe) == 0;
	int result;

	qmp_set_deadline(g->v->q, CLOCK_NEVER); /* it takes as long as it takes */
	result = changes_undo(g->changes, g->v->q, &e);

	if (drains) {
		pthread_cancel(drainer);
		pthread_join(drainer, NULL);
	}
	found_end_with(g->r, from, result, &e);
}

void recover_running(struct recover *r, const struct unfinished *u, struct reached *v)
{
	struct running g = {
		.r = r,
		.u = u,
		.v = v,
		.changes = memory_of(1, sizeof(*g.changes)),
		.pipe = -1,
	};
	size_t from = r->n;

	find_all(&g);
	/* with a migration that is somebody else's, nothing of the VM is to be touched */
	if (r->yes && found_count(r, LEFT) == 0)
		undo(&g, from);
	if (g.pipe >= 0)
		close(g.pipe);
	free(g.changes);
}
