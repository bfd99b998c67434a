/* SPDX-License-Identifier: MIT */
#include "image/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/pulse.h"
#include "base/text.h"
#include "image/filesystem.h"
#include "image/subvolume.h"

/* Bytes between two calls of `progress`, and of a plain read and write. */
#define STEP (16 << 20)

int clone_fd(int from, int to)
{
	return ioctl(to, FICLONE, from) < 0 ? -1 : 0;
}

/* So much at a time: a file that is no larger costs no more calls than with clone_fd. */
#define CLONE_STEP (8LL << 30)

int clone_fd_in_steps(int from, int to)
{
	struct file_clone_range part = { .src_fd = from, .src_length = CLONE_STEP };
	struct stat st;

	pulse();
	if (fstat(from, &st) < 0)
		return -1;
	if (st.st_size <= CLONE_STEP)
		return clone_fd(from, to);
	for (off_t at = 0; at < st.st_size; at += CLONE_STEP) {
		part.src_offset = part.dest_offset = (uint64_t)at;
		if (st.st_size - at <= CLONE_STEP)
			part.src_length = 0; /* to its end */
		if (ioctl(to, FICLONERANGE, &part) < 0)
			return -1;
		pulse();
	}
	return 0;
}

/* Whole blocks, of the largest kind, or what is there of them up to the end of the file. */
#define TRIED_BYTES 65536

int clone_try(int from, int to)
{
	struct file_clone_range first = { .src_fd = from };
	struct stat st;

	if (fstat(from, &st) < 0)
		return -1;
	if (st.st_size > TRIED_BYTES)
		first.src_length = TRIED_BYTES;
	return ioctl(to, FICLONERANGE, &first) < 0 ? -1 : 0;
}

/* --- why a clone failed ----------------------------------------------------------------------------------------- */

/* The nearest that exists of `path` and the directories above it: that of a copy which is gone again, or yet to come.
 */
static char *existing(const char *path)
{
	char *at = text_copy(path);
	struct stat st;

	while (lstat(at, &st) < 0 && strcmp(at, ".") != 0 && strcmp(at, "/") != 0) {
		char *up = path_dir(at);

		free(at);
		at = up;
	}
	return at;
}

/*
 * Whether the file is left out of copy-on-write: chattr +C, with which btrfs clones only to others of the kind. Files
 * get it from the directory that they are made in.
 */
static bool is_nocow(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int flags = 0;

	return fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_NOCOW_FL;
}

/* `what`: what failed, with the names. */
static int nocow_error(const char *what, bool from_nocow, struct err *e)
{
	if (from_nocow) {
		err_set(e, "%s: the file is not copied on write (chattr +C), its copy would be", what);
		return err_hint(e, "put the copy into a directory that is so too: mkdir DIR; chattr +C DIR. "
				   "Or copy in full: --reflink=auto");
	}
	err_set(e, "%s: the copy would not be copied on write (chattr +C of its directory), the file is", what);
	return err_hint(e, "choose a directory without that attribute, or copy in full: --reflink=auto");
}

int clone_error(const char *from, const char *to, int errnum, struct err *e)
{
	_cleanup_free_ char *there = existing(to);
	bool from_nocow = is_nocow(from);
	char to_type[FILESYSTEM_NAME_SIZE], from_type[FILESYSTEM_NAME_SIZE];

	filesystem_name(there, to_type);
	filesystem_name(from, from_type);
	if (errnum == EXDEV) {
		err_set(e, "cannot clone '%s' (%s) to '%s' (%s): different filesystems", from, from_type, to, to_type);
		err_hint(e,
			 "copies that share data stay on one filesystem: choose a place on that of '%s', or copy "
			 "in full: --reflink=auto",
			 from);
	} else if (errnum == EOPNOTSUPP || errnum == ENOTTY || errnum == ENOSYS) {
		err_set(e, "cannot clone '%s' to '%s' (%s): this filesystem has no reflinks", from, to, to_type);
		err_hint(e, "btrfs has them, and XFS made with reflink=1; overlays work on every filesystem, and "
			    "--reflink=auto copies in full");
	} else {
		_cleanup_free_ char *what = text_of("cannot clone '%s' to '%s' (%s)", from, to, to_type);

		if (errnum == EINVAL && from_nocow != is_nocow(there))
			nocow_error(what, from_nocow, e);
		else
			err_sys(e, errnum, "%s", what);
	}
	e->sys = errnum;
	return -1;
}

/* --- plain copies ----------------------------------------------------------------------------------------------- */

/* Reads and writes: where copy_file_range does not work between the two. */
static ssize_t copy_plainly(int from, int to, off_t at, size_t size)
{
	static _Thread_local char buffer[1 << 16];
	ssize_t n = pread(from, buffer, size < sizeof(buffer) ? size : sizeof(buffer), at);

	return n > 0 ? pwrite(to, buffer, (size_t)n, at) : n;
}

static ssize_t copy_some(int from, int to, off_t at, size_t size, bool share)
{
	off_t in = at, out = at;
	ssize_t n = share ? copy_file_range(from, &in, to, &out, size, 0) : copy_plainly(from, to, at, size);

	if (share && n < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
		return copy_plainly(from, to, at, size);
	return n;
}

struct copying {
	int from, to;
	bool share; /* the filesystem may share data */
	bool (*progress)(void *ctx, uint64_t done);
	void *ctx;
};

/* The bytes from `at` to `end`. */
static int copy_range(const struct copying *c, off_t at, off_t end)
{
	while (at < end) {
		ssize_t n = copy_some(c->from, c->to, at, end - at < STEP ? (size_t)(end - at) : STEP, c->share);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break; /* it became shorter */
		at += n;
		if (c->progress && !c->progress(c->ctx, (uint64_t)at)) {
			errno = EINTR;
			return -1;
		}
	}
	return 0;
}

static int copy(const struct copying *c)
{
	struct stat st;
	off_t at = 0;

	if (fstat(c->from, &st) < 0 || ftruncate(c->to, st.st_size) < 0)
		return -1;
	while (at < st.st_size) {
		off_t data = lseek(c->from, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break; /* a hole up to the end */
		if (data < 0)
			return -1;
		hole = lseek(c->from, data, SEEK_HOLE);
		if (hole < 0 || copy_range(c, data, hole < st.st_size ? hole : st.st_size) < 0)
			return -1;
		at = hole;
	}
	return 0;
}

int clone_copy(int from, int to, bool (*progress)(void *ctx, uint64_t done), void *ctx)
{
	const struct copying c = { from, to, true, progress, ctx };

	return copy(&c);
}

int clone_copy_apart(int from, int to, bool (*progress)(void *ctx, uint64_t done), void *ctx)
{
	const struct copying c = { from, to, false, progress, ctx };

	return copy(&c);
}

/* --- what a filesystem can do ----------------------------------------------------------------------------------- */

static int nameless(const char *dir, struct err *e)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : err_sys(e, errno, "cannot make a file in '%s' to try it out", dir);
}

int clone_probe(const char *dir, struct clone_abilities *a, struct err *e)
{
	_cleanup_close_ int from = -1, to = -1;
	char block[4096] = "x";

	*a = (struct clone_abilities){ 0 };
	filesystem_name(dir, a->type);
	a->subvolume = strcmp(a->type, "btrfs") == 0;
	a->is_subvolume = a->subvolume && subvolume_is(dir);
	from = nameless(dir, e);
	if (from < 0)
		return -1;
	to = nameless(dir, e);
	if (to < 0)
		return -1;
	if (fd_write_all(from, block, sizeof(block)) < 0)
		return err_sys(e, errno, "cannot write to a file in '%s'", dir);
	a->reflink = clone_fd(from, to) == 0;
	a->punch_hole = fallocate(from, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof(block)) == 0;
	return 0;
}
