/* SPDX-License-Identifier: MIT */
#include "change/journal/journal.h"
#include "change/journal/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/claim.h"
#include "checkpoint/names.h"
#include "checkpoint/remove.h"
#include "image/allocated.h"
#include "image/in_use.h"

struct run {
	struct journal *j;
	struct journal_result *done;
	bool strict;
	bool changed; /* something was done already */
};

static void stays(const struct run *r, const struct entry *x, const char *why)
{
	_cleanup_free_ char *path = entry_path(r->j, x), *text = text_of("'%s' stays: %s", path, why);

	path_list_add(&r->done->left, text);
}

static int sync_place(const struct journal *j, size_t place, struct err *e)
{
	if (fsync(j->places[place].fd) == 0)
		return 0;
	return err_sys(e, errno, "cannot make '%s' durable", j->places[place].dir);
}

/* --- renaming --------------------------------------------------------------------------------------------------- */

enum rename_state {
	RENAME_PENDING,
	RENAME_DONE,     /* by the run before */
	RENAME_OBSOLETE, /* what it would replace is not what it was */
	RENAME_LOST,     /* what was prepared is not there, or is another file */
};

static enum rename_state state_of(const struct journal *j, const struct renaming *r)
{
	struct file_id from, to;
	bool prepared = entry_now(j, &r->from, &from), there = entry_now(j, &r->to, &to);

	if (!prepared)
		return there && file_id_same(&r->from.id, &to) ? RENAME_DONE : RENAME_LOST;
	if (!file_id_unchanged(&r->from.id, &from) || j->places[r->to.place].fd < 0)
		return RENAME_LOST;
	if (!r->to.known)
		return there ? RENAME_OBSOLETE : RENAME_PENDING;
	return there && file_id_unchanged(&r->to.id, &to) ? RENAME_PENDING : RENAME_OBSOLETE;
}

static int not_as_it_was(const struct run *r, const struct entry *x, struct err *e)
{
	_cleanup_free_ char *path = entry_path(r->j, x);

	err_set(e, "'%s' is not what it was when '%s' was written, and nothing was done", path, r->j->path);
	return err_hint(e, "an interrupted mplcr-chain had left that to do: look at it, and remove it");
}

/* Whether all can be renamed: what a half of it would be worth, nobody knows. */
static int check_renames(const struct run *r, enum rename_state *states, struct err *e)
{
	bool begun = false;

	for (size_t i = 0; i < r->j->n_renames; i++) {
		states[i] = state_of(r->j, &r->j->renames[i]);
		begun |= states[i] == RENAME_DONE;
		r->done->obsolete |= states[i] == RENAME_OBSOLETE;
	}
	for (size_t i = 0; i < r->j->n_renames; i++) {
		if (states[i] == RENAME_LOST)
			return not_as_it_was(r, &r->j->renames[i].from, e);
		if (states[i] == RENAME_OBSOLETE && begun)
			return not_as_it_was(r, &r->j->renames[i].to, e);
	}
	return 0;
}

/* A VM that minds no locks may have been started since on a file that is to be replaced, and would write on without it. */
static int check_replaced(const struct run *r, const enum rename_state *states, struct err *e)
{
	struct in_use use = { .processes = true }; /* locks may be ours */
	int result = 0;

	for (size_t i = 0; i < r->j->n_renames && result == 0; i++) {
		_cleanup_free_ char *path = entry_path(r->j, &r->j->renames[i].to);

		if (states[i] == RENAME_PENDING && r->j->renames[i].to.known)
			result = in_use_refuse(&use, path, false, e);
	}
	in_use_release(&use);
	return result;
}

static int check_scratch(const struct run *r, struct err *e)
{
	for (size_t i = 0; i < r->j->scratch.n; i++) {
		const struct entry *x = &r->j->scratch.list[i];
		struct file_id now;

		if (entry_now(r->j, x, &now) && !file_id_same(&x->id, &now))
			return not_as_it_was(r, x, e);
	}
	return 0;
}

static int rename_one(const struct run *r, const struct renaming *x, struct err *e)
{
	const struct journal *j = r->j;
	_cleanup_free_ char *from = entry_path(j, &x->from), *to = entry_path(j, &x->to);
	int from_dir = j->places[x->from.place].fd, to_dir = j->places[x->to.place].fd;

	if ((x->to.known ? renameat(from_dir, x->from.name, to_dir, x->to.name)
			 : file_rename_new(from_dir, x->from.name, to_dir, x->to.name)) < 0)
		return err_sys(e, errno, "cannot rename '%s' to '%s'", from, to);
	return sync_place(j, x->to.place, e) < 0 ? -1 : sync_place(j, x->from.place, e);
}

static int rename_all(struct run *r, const enum rename_state *states, struct err *e)
{
	for (size_t i = 0; i < r->j->n_renames; i++) {
		if (states[i] == RENAME_PENDING && rename_one(r, &r->j->renames[i], e) < 0)
			return -1;
		r->changed = true;
	}
	return 0;
}

/* --- removing --------------------------------------------------------------------------------------------------- */

/* The checkpoint under its name, or that which it has while it is removed; false where there is none. */
static bool find_checkpoint(const struct journal *j, const struct entry *x, struct entry *there)
{
	_cleanup_free_ char *removed = text_of("%s" REMOVED_SUFFIX, x->name);
	struct file_id now;

	*there = *x;
	if (entry_now(j, x, &now))
		there->name = text_copy(x->name);
	else
		there->name = steal_ptr(removed);
	return entry_now(j, there, &now) && file_id_same(&now, &x->id);
}

static int remove_checkpoint(const struct run *r, const struct entry *x, const char *why, struct err *e)
{
	struct entry there = { 0 };
	_cleanup_free_ char *path = NULL, *shown = entry_path(r->j, x);
	struct file_id now;
	int result = 0;

	if (!find_checkpoint(r->j, x, &there)) {
		if (entry_now(r->j, x, &now))
			stays(r, x, "it is another one now");
	} else if (why) {
		stays(r, x, why);
	} else {
		path = entry_anchored(r->j, &there);
		r->done->freed += allocated_below(path);
		result = checkpoint_remove_at(r->j->places[x->place].fd, there.name, shown, e);
	}
	free(there.name);
	return result;
}

static int remove_checkpoints(const struct run *r, struct proof *p, struct err *e)
{
	size_t n = r->j->checkpoints.n;
	char **why = memory_of(n, sizeof(*why));
	int result = 0;

	proof_checkpoints(p, why);
	for (size_t i = 0; i < n && result == 0; i++)
		result = remove_checkpoint(r, &r->j->checkpoints.list[i], why[i], e);
	for (size_t i = 0; i < n; i++)
		free(why[i]);
	free(why);
	return result;
}

static int remove_file(const struct run *r, struct proof *p, const struct entry *x, struct err *e)
{
	_cleanup_free_ char *path = entry_path(r->j, x), *anchored = entry_anchored(r->j, x), *why = NULL;
	struct file_id now;
	uint64_t stored;

	if (!entry_now(r->j, x, &now))
		return 0;
	why = proof_file(p, x);
	if (why) {
		stays(r, x, why);
		return 0;
	}
	stored = allocated_unshared(anchored);
	claim_drop_of(path);
	if (unlinkat(r->j->places[x->place].fd, x->name, 0) < 0)
		return err_sys(e, errno, "cannot remove '%s'", path);
	r->done->freed += stored;
	path_list_add(&r->done->removed, path);
	return 0;
}

static int remove_all(struct run *r, struct err *e)
{
	struct proof *p;
	int result;

	if (r->j->checkpoints.n + r->j->removals.n == 0)
		return 0;
	p = proof_read(r->j, r->strict, e);
	if (!p)
		return err_prefix(e, "what is still needed cannot be said");
	r->changed = true;
	result = remove_checkpoints(r, p, e);
	for (size_t i = 0; i < r->j->removals.n && result == 0; i++)
		result = remove_file(r, p, &r->j->removals.list[i], e);
	proof_free(p);
	return result;
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

/* Done, or of no use: what was prepared goes, where it still is that. */
static int remove_prepared(const struct run *r, struct err *e)
{
	for (size_t i = 0; i < r->j->n_renames; i++) {
		const struct entry *from = &r->j->renames[i].from;
		struct file_id now;

		if (entry_now(r->j, from, &now) && !now.directory && file_id_unchanged(&from->id, &now))
			unlinkat(r->j->places[from->place].fd, from->name, 0);
	}
	return scratch_remove(r->j, e);
}

static int finish(const struct run *r, struct err *e)
{
	if (unlinkat(r->j->places[0].fd, journal_name(r->j), 0) == 0)
		return sync_place(r->j, 0, e);
	err_sys(e, errno, "cannot remove '%s'", r->j->path);
	e->status = EXIT_PARTIAL;
	return err_hint(e, "all is done but that: rm '%s'", r->j->path);
}

static int obey(struct run *r, const enum rename_state *states, struct err *e)
{
	if (!r->done->obsolete) {
		if (rename_all(r, states, e) < 0)
			return -1;
		journal_leave_claims(r->j); /* before anything goes that left its own */
		if (remove_all(r, e) < 0)
			return -1;
	}
	journal_sweep_claims(r->j);
	return remove_prepared(r, e);
}

static int run(struct run *r, struct err *e)
{
	_cleanup_free_ enum rename_state *states = memory_of(r->j->n_renames, sizeof(*states));

	r->done->found = true;
	/* one that was stored when all was yet to be prepared */
	r->done->obsolete = r->j->scratch.n > 0 && r->j->n_renames == 0;
	if (check_renames(r, states, e) < 0 || check_scratch(r, e) < 0 ||
	    (!r->done->obsolete && check_replaced(r, states, e) < 0))
		return -1;
	if (obey(r, states, e) == 0)
		return finish(r, e);
	e->status = r->changed ? EXIT_PARTIAL : EXIT_FAILED;
	return err_hint(e, "the same command finishes what is left, as '%s' has it", r->j->path);
}

static int load_and_run(const char *path, bool strict, struct journal_result *done, struct err *e)
{
	struct run r = { .done = done, .strict = strict };
	int result;

	if (journal_load(path, &r.j, e) < 0)
		return -1;
	if (!r.j)
		return 0;
	result = run(&r, e);
	journal_free(r.j);
	return result;
}

int journal_run(const char *path, struct journal_result *done, struct err *e)
{
	return load_and_run(path, false, done, e);
}

int journal_recover(const char *path, struct journal_result *done, struct err *e)
{
	return load_and_run(path, true, done, e);
}

void journal_result_release(struct journal_result *r)
{
	path_list_release(&r->removed);
	path_list_release(&r->left);
}

int journal_lock(const char *dir, struct err *e)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? err_set(e, "another mplcr-chain is changing images in '%s'", dir)
					    : err_sys(e, errno, "cannot lock '%s'", dir);
	return steal_fd(&fd);
}
