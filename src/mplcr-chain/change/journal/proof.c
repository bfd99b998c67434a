/* SPDX-License-Identifier: MIT */
/*
 * Whether something is still needed, asked of the images and checkpoints themselves. Nothing that a journal says about it
 * is believed: it may have been written long ago, and before a job that was never done.
 */
#include "change/journal/journal.h"
#include "change/journal/parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/path_list.h"
#include "base/text.h"
#include "change/guard.h"
#include "checkpoint/forest/forest.h"
#include "checkpoint/manifest.h"
#include "checkpoint/names.h"
#include "image/chain.h"
#include "image/in_use.h"

struct proof {
	const struct journal *j;
	struct chain **chains; /* of the tops */
	struct forest *forest;
	struct in_use use;
	char *fault;    /* why nothing can be said, or NULL */
	bool moved;     /* the file that is asked for has its new name already */
	char *stayed;   /* what was asked for and must stay, or NULL */
	bool *dropping; /* checkpoints of the journal: this one goes, so it needs nothing */
};

static void set_fault(struct proof *p, const char *text)
{
	if (!p->fault)
		p->fault = text_copy(text);
}

/* --- looking around --------------------------------------------------------------------------------------------- */

static int read_chains(struct proof *p, struct err *e)
{
	int result = 0;

	p->chains = memory_of(p->j->tops.n, sizeof(struct chain *));
	for (size_t i = 0; i < p->j->tops.n; i++) {
		_cleanup_free_ char *path = entry_path(p->j, &p->j->tops.list[i]);

		p->chains[i] = chain_read(path, NULL, 0);
		if (result == 0)
			result = chain_whole(p->chains[i], e);
	}
	return result;
}

/* Checkpoints that got their names. */
static int check_renamed(const struct proof *p, struct err *e)
{
	for (size_t i = 0; i < p->j->n_renames; i++) {
		const struct renaming *r = &p->j->renames[i];
		_cleanup_free_ char *path = entry_path(p->j, &r->to);
		struct manifest *m;
		int result;

		if (!r->from.id.directory)
			continue;
		m = manifest_load(path, e);
		result = m ? manifest_check_images(m, e) : -1;
		manifest_free(m);
		if (result < 0)
			return -1;
	}
	return 0;
}

/* The directories of all that the operation is about, and of all images that the chains lead to. */
static void directories(const struct proof *p, struct path_list *dirs)
{
	for (size_t i = 0; i < p->j->n_places; i++)
		if (p->j->places[i].fd >= 0)
			path_list_add(dirs, p->j->places[i].dir);
	for (size_t c = 0; c < p->j->tops.n; c++)
		for (size_t i = 0; i < p->chains[c]->n; i++) {
			_cleanup_free_ char *dir = p->chains[c]->images[i].path
							   ? path_dir(p->chains[c]->images[i].path)
							   : NULL;

			if (dir && strcmp(dirs->paths[dirs->n - 1], dir) != 0 && path_exists(dir))
				path_list_add(dirs, dir);
		}
}

/* What might need anything, for all that can be seen. */
static void check_unread(struct proof *p)
{
	const struct forest *f = p->forest;

	if (f->n_unread > 0)
		set_fault(p, "directories beside it could not be read, and what is in them may need it");
	for (size_t i = 0; i < f->n_images && !p->fault; i++)
		if (f->images[i].fault && !f->images[i].below_name)
			p->fault = text_of("what '%s' needs cannot be read: %s", f->images[i].path, f->images[i].fault);
	for (size_t i = 0; i < f->n_checkpoints && !p->fault; i++)
		if (!f->checkpoints[i].m && !checkpoint_is_partial(f->checkpoints[i].dir))
			p->fault = text_of("what checkpoint '%s' needs cannot be read: %s", f->checkpoints[i].dir,
					   f->checkpoints[i].fault);
}

struct proof *proof_read(const struct journal *j, bool strict, struct err *e)
{
	struct proof *p = memory_of(1, sizeof(*p));
	struct path_list dirs = { 0 };
	struct err why;

	p->j = j;
	p->dropping = memory_of(j->checkpoints.n, sizeof(*p->dropping));
	if (read_chains(p, e) < 0 || check_renamed(p, e) < 0) {
		proof_free(p);
		return NULL;
	}
	directories(p, &dirs);
	p->forest = forest_read(dirs.paths, dirs.n, &p->use, &why);
	path_list_release(&dirs);
	if (!p->forest)
		set_fault(p, why.text);
	else if (strict)
		check_unread(p);
	return p;
}

void proof_free(struct proof *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->j->tops.n; i++)
		chain_free(p->chains[i]);
	free(p->chains);
	forest_free(p->forest);
	in_use_release(&p->use);
	free(p->fault);
	free(p->stayed);
	free(p->dropping);
	free(p);
}

/* --- what needs nothing itself ---------------------------------------------------------------------------------- */

static bool is_entry(const struct proof *p, const struct entry *x, const char *path)
{
	const char *dir = p->j->places[x->place].dir;

	return path_below(dir, path) && strcmp(path_below(dir, path), x->name) == 0;
}

static bool is_dropped(const struct proof *p, const char *dir)
{
	for (size_t i = 0; i < p->j->checkpoints.n; i++)
		if (p->dropping[i] && is_entry(p, &p->j->checkpoints.list[i], dir))
			return true;
	return false;
}

/* Whether the checkpoint is the one that moved: it has the files that it needs by their new names. */
static bool is_moved_checkpoint(const struct proof *p, const char *dir)
{
	for (size_t i = 0; i < p->j->n_renames; i++)
		if (p->j->renames[i].from.id.directory && is_entry(p, &p->j->renames[i].to, dir))
			return true;
	return false;
}

/* Whether a checkpoint moves: what is in its old directory may have its new names already. */
static bool moves_checkpoint(const struct proof *p)
{
	for (size_t i = 0; i < p->j->n_renames; i++)
		if (p->j->renames[i].from.id.directory)
			return true;
	return false;
}

/* Whether that file is one that got its name by this journal. */
static bool is_renamed(const struct proof *p, uint64_t device, uint64_t inode)
{
	for (size_t i = 0; i < p->j->n_renames; i++) {
		const struct renaming *r = &p->j->renames[i];
		struct file_id now;

		if (r->from.id.inode == inode && entry_now(p->j, &r->to, &now) && file_id_same(&r->from.id, &now) &&
		    now.device == device)
			return true;
	}
	return false;
}

static bool ignored(void *ctx, bool checkpoint, size_t i)
{
	const struct proof *p = ctx;
	const struct forest *f = p->forest;
	size_t in = checkpoint ? i : f->images[i].inside;

	if (in != FOREST_NONE &&
	    (is_dropped(p, f->checkpoints[in].dir) || is_moved_checkpoint(p, f->checkpoints[in].dir)))
		return true;
	if (checkpoint)
		return !path_exists(f->checkpoints[i].dir);
	return !path_exists(f->images[i].path) ||
	       (p->moved && is_renamed(p, f->images[i].device, f->images[i].inode));
}

/* --- files ------------------------------------------------------------------------------------------------------ */

/* The path of the top image whose chain contains the file, or NULL. */
static const char *in_chain(const struct proof *p, const struct file_id *id)
{
	for (size_t c = 0; c < p->j->tops.n; c++)
		for (size_t i = 0; i < p->chains[c]->n; i++)
			if (p->chains[c]->images[i].device == id->device && p->chains[c]->images[i].inode == id->inode)
				return p->chains[c]->images[0].path;
	return NULL;
}

static char *file_needed(struct proof *p, const struct entry *x, const char *path, const struct file_id *now)
{
	enum image_use use;
	size_t i;
	char *who;

	/* its other name, which it keeps, was given to it after this was written down */
	if (p->moved ? !file_id_same(&x->id, now) : !file_id_unchanged(&x->id, now))
		return text_of("it was changed");
	i = forest_find(p->forest, path);
	who = i == FOREST_NONE ? NULL : forest_needed_by(p->forest, i, ignored, p);
	if (who)
		return who;
	/* of an inode with two names nobody can say by which of them an image above it means it */
	if (p->moved && p->stayed)
		return text_of("'%s' stays, and may be above it", p->stayed);
	if (!p->moved && in_chain(p, now))
		return text_of("it is in the chain of '%s'", in_chain(p, now));
	use = in_use_path(&p->use, path);
	return use == IMAGE_UNUSED ? NULL : in_use_words_path(&p->use, path, use);
}

char *proof_file(struct proof *p, const struct entry *x)
{
	_cleanup_free_ char *path = entry_path(p->j, x);
	struct file_id now;
	char *why;

	if (p->fault)
		return text_copy(p->fault);
	if (!entry_now(p->j, x, &now) || now.inode == 0)
		return text_of("it is not a file any more");
	p->moved = is_renamed(p, now.device, now.inode);
	why = file_needed(p, x, path, &now);
	if (why && !p->stayed)
		p->stayed = steal_ptr(path);
	return why;
}

/* --- checkpoints ------------------------------------------------------------------------------------------------ */

static char *checkpoint_needed(struct proof *p, const struct entry *x)
{
	_cleanup_free_ char *dir = entry_path(p->j, x);
	size_t i = forest_checkpoint_find(p->forest, dir);

	return i != FOREST_NONE ? guard_checkpoint(p->forest, i, &p->use, ignored, p) : NULL;
}

void proof_checkpoints(struct proof *p, char **why)
{
	const struct entries *l = &p->j->checkpoints;
	bool changed = true;

	p->moved = moves_checkpoint(p);
	for (size_t i = 0; i < l->n; i++) {
		why[i] = text_copy(p->fault);
		p->dropping[i] = !why[i];
	}
	while (changed) { /* one that stays may need others */
		changed = false;
		for (size_t i = 0; i < l->n; i++) {
			if (!p->dropping[i])
				continue;
			why[i] = checkpoint_needed(p, &l->list[i]);
			p->dropping[i] = !why[i];
			changed |= !p->dropping[i];
		}
	}
	for (size_t i = 0; i < l->n && !p->stayed; i++)
		p->stayed = why[i] ? entry_path(p->j, &l->list[i]) : NULL;
	p->moved = false;
	memset(p->dropping, 0, l->n * sizeof(*p->dropping));
}
