/* SPDX-License-Identifier: MIT */
/*
 * Clones files in the pause. We open both ends and write dirty data back before the pause, which leaves one ioctl per
 * file. We clone one file after the other: in parallel is slower (measured on btrfs and XFS, with whole and with
 * fragmented files: a filesystem makes one clone at a time).
 */
#include "freeze/clones.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "image/clone.h"
#include "base/file.h"
#include "base/path.h"
#include "base/pulse.h"
#include "base/text.h"

static bool is_taken(const struct clones *c, const char *to)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->list[i].to, to) == 0)
			return true;
	return false;
}

/* The file's name without control bytes, which paths in a manifest must not have. */
static char *plain_name(const char *path)
{
	char *name = text_copy(path_base(path));

	for (char *c = name; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '_';
	return name;
}

const char *clones_add(struct clones *c, const char *dir, const char *from, const char *tag)
{
	_cleanup_free_ char *name = plain_name(from);
	char *to = text_of("%s/%s", dir, name);

	for (size_t n = 1; is_taken(c, to); n++) {
		free(to);
		to = n == 1 ? text_of("%s/%s-%s", dir, tag, name) : text_of("%s/%s-%zu-%s", dir, tag, n, name);
	}
	*array_add(c->list, c->n) = (struct clone){ .from = text_copy(from), .to = to, .from_fd = -1, .to_fd = -1 };
	return to;
}

int clone_possible(const char *from, const char *dir, struct err *e)
{
	_cleanup_close_ int from_fd = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_close_ int to_fd = -1;

	if (from_fd < 0)
		return err_sys(e, errno, "cannot open '%s'", from);
	to_fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (to_fd < 0)
		return err_sys(e, errno, "cannot try to clone '%s' into '%s'", from, dir);
	return clone_try(from_fd, to_fd) == 0 ? 0 : clone_error(from, dir, errno, e);
}

static int open_ends(struct clone *c, int dirfd, struct err *e)
{
	c->from_fd = open(c->from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (c->from_fd < 0)
		return err_sys(e, errno, "cannot open '%s'", c->from);
	c->to_fd = openat(dirfd, c->to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return c->to_fd >= 0 ? 0 : err_sys(e, errno, "cannot create the clone '%s'", c->to);
}

int clones_open(struct clones *c, const char *in, int dirfd, const char *sub, struct err *e)
{
	if (c->n == 0)
		return 0;
	c->in = text_copy(in);
	if (mkdirat(dirfd, sub, 0700) < 0)
		return err_sys(e, errno, "cannot make the directory '%s' in the checkpoint", sub);
	for (size_t i = 0; i < c->n; i++)
		if (open_ends(&c->list[i], dirfd, e) < 0)
			return -1;
	for (size_t i = 0; i < c->n; i++) /* data written back now cost nothing in the pause */
		if (fsync(c->list[i].from_fd) < 0)
			return err_sys(e, errno, "cannot write back '%s'", c->list[i].from);
	return 0;
}

static bool goes_on(void *ctx, uint64_t done)
{
	(void)ctx;
	(void)done;
	pulse();
	return true;
}

static int make_one(const struct clones *all, const struct clone *c, struct err *e)
{
	_cleanup_free_ char *to = NULL;
	int errnum;

	if ((c->copy ? clone_copy(c->from_fd, c->to_fd, goes_on, NULL) : clone_fd_in_steps(c->from_fd, c->to_fd)) == 0)
		return 0;
	errnum = errno;
	to = path_join(all->in, c->to);
	return c->copy ? err_sys(e, errnum, "cannot copy '%s' to '%s'", c->from, to)
		       : clone_error(c->from, to, errnum, e);
}

/*
 * After a failure no clone remains when the guest resumes: with a full filesystem, the guest could not even overwrite
 * its own shared data.
 */
int clones_make(const struct clones *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		if (make_one(c, &c->list[i], e) == 0)
			continue;
		for (size_t k = 0; k <= i; k++)
			(void)!ftruncate(c->list[k].to_fd, 0);
		return -1;
	}
	return 0;
}

static void close_ends(struct clone *c)
{
	if (c->from_fd >= 0)
		close(c->from_fd);
	if (c->to_fd >= 0)
		close(c->to_fd);
	c->from_fd = c->to_fd = -1;
}

int clones_close(struct clones *c, const char *sub, struct err *e)
{
	_cleanup_free_ char *dir = NULL;

	if (c->n == 0)
		return 0;
	for (size_t i = 0; i < c->n; i++) {
		/* nobody may write to it again */
		if (fchmod(c->list[i].to_fd, 0400) < 0 || fsync(c->list[i].to_fd) < 0)
			return err_sys(e, errno, "cannot make '%s' durable", c->list[i].to);
		close_ends(&c->list[i]);
	}
	dir = path_join(c->in, sub);
	return path_sync(dir, e);
}

void clones_release(struct clones *c)
{
	for (size_t i = 0; i < c->n; i++) {
		close_ends(&c->list[i]);
		free(c->list[i].from);
		free(c->list[i].to);
	}
	free(c->list);
	free(c->in);
	*c = (struct clones){ 0 };
}
