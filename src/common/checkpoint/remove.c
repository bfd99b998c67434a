/* SPDX-License-Identifier: MIT */
#include "checkpoint/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/names.h"
#include "image/subvolume.h"

/* A snapshot is read-only and can be deep: btrfs removes it as a whole. */
static int remove_snapshot(const char *dir, struct err *e)
{
	_cleanup_free_ char *disks = path_join(dir, CLONES_DIR);
	struct stat st;

	if (lstat(disks, &st) < 0 || !S_ISDIR(st.st_mode) || !subvolume_is(disks))
		return 0;
	return subvolume_delete(disks, e);
}

int checkpoint_dir_remove(const char *dir, struct err *e)
{
	if (remove_snapshot(dir, e) < 0)
		return -1;
	return dir_remove(dir) == 0 || errno == ENOENT ? 0 : err_sys(e, errno, "cannot remove '%s'", dir);
}

int checkpoint_dir_clear(const char *dir, struct err *e)
{
	if (remove_snapshot(dir, e) < 0)
		return -1;
	return dir_clear(dir, UNFINISHED_NAME) == 0 || errno == ENOENT ? 0
								       : err_sys(e, errno, "cannot empty '%s'", dir);
}

/* --- the directory ---------------------------------------------------------------------------------------------- */

/* A directory that is to go. The opened directory that it lies in leads to it, wherever that is moved meanwhile. */
struct going {
	int dirfd;
	const char *name;
	const char *shown; /* for messages */
	char *remains;     /* what it is called while it goes */
};

static char *path_of(const struct going *g, const char *name)
{
	return text_of("/proc/self/fd/%d/%s", g->dirfd, name);
}

static bool exists(const struct going *g, const char *name)
{
	return faccessat(g->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* It is no checkpoint any more, but not gone yet. Always returns -1. */
static int partly(const struct going *g, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(g->shown);

	e->status = EXIT_PARTIAL;
	return err_hint(e, "it is no checkpoint any more; remove what is left: rm -r '%s/%s'", dir, g->remains);
}

/* Removes what has the name of something removed. */
static int remove_remains(const struct going *g, struct err *e)
{
	_cleanup_free_ char *path = path_of(g, g->remains);

	if (remove_snapshot(path, e) == 0 && (dir_remove(path) == 0 || errno == ENOENT))
		return 0;
	err_sys(e, errno, "cannot remove '%s'", g->shown);
	return partly(g, e);
}

/* Takes the checkpoint's name away from it, for good. */
static int rename_away(const struct going *g, struct err *e)
{
	_cleanup_free_ char *path = path_of(g, g->name), *manifest = path_join(path, MANIFEST_NAME);

	if (!path_exists(manifest))
		return err_set(e, "'%s' is not a checkpoint: it has no %s", g->shown, MANIFEST_NAME);
	if (renameat(g->dirfd, g->name, g->dirfd, g->remains) < 0)
		return err_sys(e, errno, "cannot remove '%s'", g->shown);
	if (fsync(g->dirfd) == 0)
		return 0;
	err_sys(e, errno, "cannot make the removal of '%s' durable", g->shown);
	return partly(g, e);
}

static int remove_it(const struct going *g, struct err *e)
{
	bool left = exists(g, g->remains);

	if (left && remove_remains(g, e) < 0)
		return -1;
	if (left && !exists(g, g->name))
		return 0;
	if (!exists(g, g->name))
		return err_sys(e, ENOENT, "cannot open checkpoint '%s'", g->shown);
	return rename_away(g, e) < 0 ? -1 : remove_remains(g, e);
}

int checkpoint_remove_at(int dirfd, const char *name, const char *shown, struct err *e)
{
	bool removed = checkpoint_is_removed(name);
	_cleanup_free_ char *remains = removed ? text_copy(name) : text_of("%s%s", name, REMOVED_SUFFIX);
	const struct going g = { .dirfd = dirfd, .name = name, .shown = shown, .remains = remains };

	return removed ? remove_remains(&g, e) : remove_it(&g, e);
}

int checkpoint_remove(const char *dir, struct err *e)
{
	_cleanup_free_ char *trimmed = path_trimmed(dir), *there = path_real(trimmed), *parent = NULL;
	_cleanup_close_ int fd = -1;

	if (!there && errno == ENOENT)
		there = path_real_parent(trimmed);
	if (!there)
		return err_sys(e, errno, "cannot open checkpoint '%s'", dir);
	parent = path_dir(there);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", parent);
	return checkpoint_remove_at(fd, path_base(there), dir, e);
}
