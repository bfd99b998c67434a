/* SPDX-License-Identifier: MIT */
#include "checkpoint/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "checkpoint/names.h"

int store_claim(const char *partial, const char *final, struct err *e)
{
	_cleanup_close_ int fd = -1;

	if (mkdir(partial, 0700) < 0)
		return err_sys(e, errno, "cannot create '%s'", partial);
	fd = open(partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err_sys(e, errno, "cannot open '%s'", partial);
	else if (path_exists(final)) /* published while we came: the name that it had was free again */
		err_sys(e, EEXIST, "cannot create '%s'", final);
	else if (dir_probe_rename(fd, e) == 0)
		return steal_fd(&fd);
	else
		err_prefix(e, "'%s' could not be finished", final);
	rmdir(partial);
	return -1;
}

void store_unclaim(const char *partial)
{
	_cleanup_close_ int fd = open(partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	dir_probe_clean(fd);
	rmdir(partial);
}

/* What is not durable is not published: it goes the way of every failure. */
static int unpublish(const char *partial, const char *final, struct err *e)
{
	if (rename(final, partial) == 0)
		return -1;
	err_prefix(e, "the checkpoint '%s' is complete, may not outlive a power cut, and cannot be taken back (%s)", final,
		   strerror(errno));
	e->status = EXIT_PARTIAL;
	return err_hint(e, "look at the disk, which has not stored all; make another checkpoint when it works again");
}

int store_publish(int dirfd, const char *partial, const char *final, struct err *e)
{
	if (fsync(dirfd) < 0)
		return err_sys(e, errno, "cannot make '%s' durable", partial);
	/* a directory of that name that came since the plan was made is not replaced */
	if (path_rename(partial, final, false, e) < 0)
		return -1;
	if (path_sync_name(final, e) == 0)
		return 0;
	return unpublish(partial, final, e);
}

static bool exists_with(const char *path, const char *suffix)
{
	char longer[PATH_MAX];

	return snprintf(longer, sizeof(longer), "%s%s", path, suffix) < PATH_MAX && access(longer, F_OK) == 0;
}

/* What may be meant by the name of a checkpoint that could not be opened. */
static void hint_missing(const char *dir, struct err *e)
{
	if (e->sys == ENOENT && exists_with(dir, PARTIAL_SUFFIX))
		err_hint(e, "'%s" PARTIAL_SUFFIX "' is there: a checkpoint that was not finished, and cannot be used", dir);
	else if (e->sys == ENOENT && exists_with(dir, CHECKPOINT_SUFFIX))
		err_hint(e, "do you mean '%s" CHECKPOINT_SUFFIX "'?", dir);
	else if (e->sys == ENOTDIR)
		err_hint(e, "a checkpoint is a directory, NAME" CHECKPOINT_SUFFIX);
}

int store_open(const char *dir, struct err *e)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		err_sys(e, errno, "cannot open checkpoint '%s'", dir);
		hint_missing(dir, e);
		return -1;
	}
	if (checkpoint_is_partial(dir))
		return err_set(e, "'%s' is a checkpoint that was not finished, and cannot be used", dir);
	if (faccessat(fd, MANIFEST_NAME, F_OK, 0) < 0 && errno == ENOENT)
		return err_set(e, "'%s' is not a checkpoint: it has no %s", dir, MANIFEST_NAME);
	return steal_fd(&fd);
}
