/* SPDX-License-Identifier: MIT */
/* What is below some directories: images and checkpoints (forest.h), and beside them sets of copies and snapshots. */
#include "tool.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "image/subvolume.h"

/* Directories that are open at the same time while a tree is walked. */
#define WALK_FDS 32

/* btrfs: the inode number of the root of every subvolume. */
#define SUBVOLUME_INODE 256

/* Who is being filled; nftw(3) hands no pointer on. */
static struct found *filling;

static struct found_set *set_of_mark(struct found *f, const char *mark)
{
	for (size_t i = 0; i < f->n_sets; i++)
		if (!f->sets[i].dir && strcmp(f->sets[i].mark, mark) == 0)
			return &f->sets[i];
	return NULL;
}

static struct found_set *add_set(struct found *f, const char *mark)
{
	struct found_set *s = array_add(f->sets, f->n_sets);

	memcpy(s->mark, mark, sizeof(s->mark));
	return s;
}

/* The set that is the directory which the file lies in, or NULL. */
static struct found_set *set_of_dir(struct found *f, const char *path)
{
	_cleanup_free_ char *dir = path_dir(path);

	for (size_t i = f->n_sets; i > 0; i--)
		if (f->sets[i - 1].dir && strcmp(f->sets[i - 1].dir, dir) == 0)
			return &f->sets[i - 1];
	return NULL;
}

static void look_at_file(struct found *f, const char *path, const struct stat *st)
{
	struct found_set *s = set_of_dir(f, path);
	char mark[MARK_SIZE];

	if (!s && mark_get(path, mark)) {
		s = set_of_mark(f, mark);
		if (!s)
			s = add_set(f, mark);
	}
	if (!s)
		return;
	path_list_add(&s->files, path);
	s->bytes += (uint64_t)st->st_size;
}

static int look(const char *path, const struct stat *st, int type, struct FTW *at)
{
	char mark[MARK_SIZE];

	if (type == FTW_D && at->level > 0 && st->st_ino == SUBVOLUME_INODE && subvolume_is(path)) {
		path_list_add(&filling->snapshots, path);
		return FTW_SKIP_SUBTREE;
	}
	if (type == FTW_D && found_checkpoint(filling, path) != FOREST_NONE)
		return FTW_SKIP_SUBTREE;
	if (type == FTW_D && mark_get(path, mark))
		add_set(filling, mark)->dir = text_copy(path);
	if (type == FTW_F && S_ISREG(st->st_mode))
		look_at_file(filling, path, st);
	return FTW_CONTINUE;
}

/* The directory, unless another one that is looked through holds it. */
static bool is_outermost(char *const *dirs, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (path_below(dirs[k], dirs[i]) || (k < i && strcmp(dirs[k], dirs[i]) == 0))
			return false;
	return true;
}

static int walk(struct found *f, char *const *dirs, size_t n, struct err *e)
{
	filling = f;
	for (size_t i = 0; i < n; i++)
		if (is_outermost(dirs, n, i) && nftw(dirs[i], look, WALK_FDS, FTW_PHYS | FTW_ACTIONRETVAL) < 0)
			return err_sys(e, errno, "cannot read '%s'", dirs[i]);
	return 0;
}

int found_read(struct found *f, char *const *dirs, size_t n, struct in_use *use, struct err *e)
{
	struct path_list real = { 0 };
	int result = 0;

	*f = (struct found){ .forest = forest_read(dirs, n, use, e) };
	if (!f->forest)
		return -1;
	for (size_t i = 0; i < n && result == 0; i++) {
		_cleanup_free_ char *path = path_real(dirs[i]);

		if (path)
			path_list_add(&real, path);
		else
			result = err_sys(e, errno, "cannot read '%s'", dirs[i]);
	}
	if (result == 0)
		result = walk(f, real.paths, real.n, e);
	path_list_release(&real);
	return result;
}

void found_release(struct found *f)
{
	forest_free(f->forest);
	for (size_t i = 0; i < f->n_sets; i++) {
		free(f->sets[i].dir);
		path_list_release(&f->sets[i].files);
	}
	free(f->sets);
	path_list_release(&f->snapshots);
}

const struct found_set *found_set_of(const struct found *f, const char *path)
{
	for (size_t i = 0; i < f->n_sets; i++) {
		const struct found_set *s = &f->sets[i];

		if (s->dir && strcmp(s->dir, path) == 0)
			return s;
		for (size_t k = 0; k < s->files.n; k++)
			if (strcmp(s->files.paths[k], path) == 0)
				return s;
	}
	return NULL;
}

size_t found_checkpoint(const struct found *f, const char *path)
{
	return forest_checkpoint_find(f->forest, path);
}

bool found_inside(const struct found *f, const char *path)
{
	for (size_t i = 0; i < f->snapshots.n; i++)
		if (path_below(f->snapshots.paths[i], path))
			return true;
	for (size_t i = 0; i < f->forest->n_checkpoints; i++)
		if (path_below(f->forest->checkpoints[i].dir, path))
			return true;
	return false;
}
