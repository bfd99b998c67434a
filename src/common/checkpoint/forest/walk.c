/* SPDX-License-Identifier: MIT */
#include "checkpoint/forest/impl.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/claim.h"

/*
 * fts's own field of an entry: the checkpoint that it belongs to and 1 added, or 0. It is handed down from directory to
 * directory.
 */
#define OWNER(entry) ((entry)->fts_number)

static bool is_checkpoint(const FTSENT *entry)
{
	_cleanup_free_ char *manifest = text_of("%s/%s", entry->fts_accpath, MANIFEST_NAME);

	return checkpoint_is_named(entry->fts_name) ||
	       text_ends_with(entry->fts_name, CHECKPOINT_SUFFIX PARTIAL_SUFFIX) || access(manifest, F_OK) == 0;
}

/* Returns its index. */
static size_t add_checkpoint(struct forest_builder *b, const char *dir, const struct stat *st)
{
	struct forest *f = b->forest;
	struct forest_checkpoint c = { .dir = text_copy(dir), .device = st->st_dev, .inode = st->st_ino };
	struct err e;

	c.m = manifest_load(dir, &e);
	if (!c.m)
		c.fault = text_copy(e.text);
	*array_add(f->checkpoints, f->n_checkpoints) = c;
	return f->n_checkpoints - 1;
}

/* Whether it is the directory of a checkpoint's RAM. */
static bool is_ram(const struct forest *f, const FTSENT *entry)
{
	const char *below = OWNER(entry) > 0 ? path_below(f->checkpoints[OWNER(entry) - 1].dir, entry->fts_path) : NULL;

	return below && strcmp(below, STATE_RAM_DIR) == 0;
}

/*
 * Returns whether it is to be entered. The RAM of a checkpoint may look like anything; a checkpoint inside of another
 * is a part of a snapshot of the directory that it was in.
 */
static bool enter(struct forest_builder *b, FTSENT *entry)
{
	size_t there;

	if (entry->fts_level > 0)
		OWNER(entry) = OWNER(entry->fts_parent);
	if (is_ram(b->forest, entry))
		return false;
	if (!is_checkpoint(entry))
		return true;
	if (OWNER(entry) > 0)
		return false;
	/* roots may overlap, and bind mounts show one directory at several places */
	there = forest_checkpoint_at(b->forest, entry->fts_statp->st_dev, entry->fts_statp->st_ino);
	if (there == FOREST_NONE)
		there = add_checkpoint(b, entry->fts_path, entry->fts_statp);
	OWNER(entry) = (long)there + 1;
	return true;
}

static void add_file(struct forest_builder *b, const FTSENT *entry)
{
	enum forest_reason why = entry->fts_level == 0 ? FOREST_BY_NEED : FOREST_BY_LOOK;
	size_t i = S_ISREG(entry->fts_statp->st_mode) ? forest_add(b, entry->fts_path, entry->fts_statp, why)
						      : FOREST_NONE;

	if (i != FOREST_NONE && entry->fts_level > 0 && OWNER(entry->fts_parent) > 0)
		b->forest->images[i].inside = (size_t)OWNER(entry->fts_parent) - 1;
}

/* A link to an image counts as the image. */
static void add_link(struct forest_builder *b, const FTSENT *entry)
{
	_cleanup_free_ char *real = path_real(entry->fts_accpath);
	struct stat st;

	if (real && stat(real, &st) == 0 && S_ISREG(st.st_mode))
		forest_add(b, real, &st, FOREST_BY_LOOK);
}

static bool is_claims(const FTSENT *entry)
{
	return entry->fts_level > 0 && strcmp(entry->fts_name, CLAIMS_DIR) == 0;
}

/* Whatever it is. Those in a checkpoint were copied with a directory that was cloned, and speak of the original. */
static void add_claims(struct forest_builder *b, FTS *fts, FTSENT *entry)
{
	_cleanup_free_ char *place = path_dir(entry->fts_path);

	fts_set(fts, entry, FTS_SKIP);
	if (OWNER(entry->fts_parent) == 0)
		forest_add_place(b, place);
}

/* Returns 0, or -1 where one of the roots itself cannot be read. */
static int visit(struct forest_builder *b, FTS *fts, FTSENT *entry, struct err *e)
{
	if (is_claims(entry)) {
		add_claims(b, fts, entry);
		return 0;
	}
	switch (entry->fts_info) {
	case FTS_D:
		if (!enter(b, entry))
			fts_set(fts, entry, FTS_SKIP);
		break;
	case FTS_F:
		add_file(b, entry);
		break;
	case FTS_SL:
		add_link(b, entry);
		break;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		if (entry->fts_level == 0)
			return err_sys(e, entry->fts_errno, "cannot read '%s'", entry->fts_path);
		b->forest->n_unread++;
		break;
	}
	return 0;
}

/* Numbers in names sort as numbers: snap_x2 comes before snap_x10. */
static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strverscmp((*a)->fts_name, (*b)->fts_name);
}

int forest_walk(struct forest_builder *b, struct err *e)
{
	FTS *fts = fts_open(b->roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	int result = 0;
	FTSENT *entry;

	if (!fts)
		return err_sys(e, errno, "cannot read '%s'", b->roots[0]);
	while (result == 0 && (errno = 0, entry = fts_read(fts)) != NULL)
		result = visit(b, fts, entry, e);
	if (result == 0 && errno)
		result = err_sys(e, errno, "cannot read '%s'", b->roots[0]);
	fts_close(fts);
	return result;
}
