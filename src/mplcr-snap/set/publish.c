/* SPDX-License-Identifier: MIT */
/* Makes the copies of a set durable and gives them their names, or removes what was made. */
#include "set/set.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "image/filesystem.h"
#include "base/interrupt.h"

/* --- owner, mode, times ----------------------------------------------------------------------------------------- */

/*
 * A copy is as open to others as its source, no more: it belongs to the same user where we may say so (then QEMU, which
 * runs as another one, can use it), and keeps the time of the last change, by which images are known to be unchanged.
 */
int set_attributes(const struct set *s, const struct copy *c, int fd, struct err *e)
{
	const struct timespec times[2] = { c->before.st_atim, c->before.st_mtim };

	if ((c->before.st_uid != s->uid || c->before.st_gid != s->gid) &&
	    fchown(fd, c->before.st_uid, c->before.st_gid) < 0 && errno != EPERM)
		return err_sys(e, errno, "cannot set the owner of '%s'", c->partial);
	if ((c->before.st_mode & 0600) != 0600 && fchmod(fd, c->before.st_mode & 0777) < 0)
		return err_sys(e, errno, "cannot set the mode of '%s'", c->partial);
	if (futimens(fd, times) < 0)
		return err_sys(e, errno, "cannot set the times of '%s'", c->partial);
	return 0;
}

static int set_chain_attributes(const struct set *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		_cleanup_close_ int fd = open(s->copies[i].partial, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, errno, "cannot open '%s'", s->copies[i].partial);
		if (set_attributes(s, &s->copies[i], fd, e) < 0)
			return -1;
	}
	return 0;
}

/* --- durable ---------------------------------------------------------------------------------------------------- */

static const char *where_now(const struct copy *c)
{
	return c->published ? c->path : c->partial;
}

/* Each filesystem once. Copies beside their sources may be on several. */
static int sync_filesystems(const struct set *s, struct err *e)
{
	_cleanup_free_ dev_t *synced = memory_of(s->n, sizeof(*synced));
	size_t n = 0;

	for (size_t i = 0; i < (s->dir ? 1 : s->n); i++) {
		const char *path = where_now(&s->copies[i]);
		struct stat st;
		size_t k = 0;

		if (stat(path, &st) < 0)
			return err_sys(e, errno, "cannot make '%s' durable", path);
		while (k < n && synced[k] != st.st_dev)
			k++;
		if (k < n)
			continue;
		if (filesystem_sync(path, s->committed, e) < 0)
			return -1;
		synced[n++] = st.st_dev;
	}
	return 0;
}

static int sync_files(const struct set *s, struct err *e)
{
	if (s->committed)
		return 0; /* with the names */
	if (s->n > SET_FEW)
		return sync_filesystems(s, e);
	for (size_t i = 0; i < s->n; i++)
		if (path_sync(s->copies[i].partial, e) < 0)
			return -1;
	return s->dir_partial ? path_sync(s->dir_partial, e) : 0;
}

static int sync_names(const struct set *s, struct err *e)
{
	if (s->committed)
		return sync_filesystems(s, e);
	if (s->direct)
		return 0; /* with the files */
	if (s->dir_partial)
		return path_sync_name(s->dir, e);
	if (s->n > SET_FEW)
		return sync_filesystems(s, e);
	for (size_t i = 0; i < s->n; i++)
		if (path_sync_name(s->copies[i].path, e) < 0)
			return -1;
	return 0;
}

/* Whether one commit at the end makes the set durable: it holds only clones, on filesystems that can do that. */
static bool can_commit(const struct set *s)
{
	if (s->options->chain)
		return false; /* names were written into the copies */
	for (size_t i = 0; i < s->n; i++)
		if (!s->copies[i].shared || !filesystem_of(s->copies[i].partial)->commit)
			return false;
	return true;
}

/* --- names ------------------------------------------------------------------------------------------------------ */

static int give_names(struct set *s, struct err *e)
{
	if (s->dir_partial) {
		s->dir_published = path_rename(s->dir_partial, s->dir, false, e) == 0;
		for (size_t i = 0; i < s->n; i++)
			s->copies[i].published = s->dir_published;
		return s->dir_published ? 0 : -1;
	}
	for (size_t i = 0; i < s->n; i++) {
		struct copy *c = &s->copies[i];

		if (!s->direct && path_rename(c->partial, c->path, false, e) < 0)
			return -1;
		c->published = true;
	}
	return 0;
}

int set_publish(struct set *s, struct err *e)
{
	if (s->options->chain && set_chain_attributes(s, e) < 0)
		return -1;
	s->committed = can_commit(s);
	if (sync_files(s, e) < 0 || interrupt_sleep(s->interrupt, 0, e) < 0)
		return -1;
	return give_names(s, e) < 0 ? -1 : sync_names(s, e);
}

int set_undo(struct set *s, struct err *e)
{
	const char *dir = s->dir_published ? s->dir : s->dir_partial;
	int result = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->copies[i].partial && unlink(where_now(&s->copies[i])) < 0 && errno != ENOENT)
			result = err_sys(e, errno, "cannot remove '%s'", where_now(&s->copies[i]));
	if (s->dir_made && rmdir(dir) < 0)
		result = err_sys(e, errno, "cannot remove '%s'", dir);
	return result;
}
