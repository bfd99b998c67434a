/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"

int fd_write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

ssize_t fd_read_at(int fd, void *data, size_t size, uint64_t offset)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = pread(fd, (char *)data + used, size - used, (off_t)(offset + used));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

int fd_write_at(int fd, const void *data, size_t size, uint64_t offset)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = pwrite(fd, (const char *)data + used, size - used, (off_t)(offset + used));

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		used += (size_t)n;
	}
	return 0;
}

enum { PASS_BLOCK = 1 << 20 };

/* One read and write. Returns the number of bytes, or -1. */
static ssize_t pass_copied(int from, int to, char *buf, const char *name, struct err *e)
{
	ssize_t n = read(from, buf, PASS_BLOCK);

	if (n < 0 && errno == EINTR)
		return pass_copied(from, to, buf, name, e);
	if (n < 0)
		return err_sys(e, errno, "cannot read '%s'", name);
	return fd_write_all(to, buf, (size_t)n) == 0 ? n : err_sys(e, errno, "cannot hand over the state");
}

int fd_pass_on(int from, int to, const char *name, struct err *e)
{
	_cleanup_free_ char *buf = memory_of(PASS_BLOCK, 1);
	bool splices = true;
	ssize_t n;

	do {
		n = splices ? splice(from, NULL, to, NULL, PASS_BLOCK, 0) : pass_copied(from, to, buf, name, e);
		if (n >= 0 || !splices)
			continue;
		/* Neither end is a pipe, or the filesystem cannot; what fails for good fails again. */
		splices = errno == EINTR;
		n = 1;
	} while (n > 0);
	return n < 0 ? -1 : 0;
}

void fd_drain(int fd)
{
	_cleanup_free_ char *dropped = memory_of(65536, 1);
	ssize_t n;

	do
		n = read(fd, dropped, 65536);
	while (n > 0 || (n < 0 && errno == EINTR));
}

void *fd_drain_thread(void *fd)
{
	fd_drain(*(const int *)fd);
	return NULL;
}

char *file_read(int dirfd, const char *path, size_t max, size_t *size, struct err *e)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *buf = NULL;
	size_t used = 0, room = 4096;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(e, errno, "cannot open '%s'", path);
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, "'%s' is not a regular file", path);
		return NULL;
	}
	for (;;) {
		ssize_t n;

		buf = memory_resize(buf, room + 1, 1);
		n = read(fd, buf + used, room - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, errno, "cannot read '%s'", path);
			return NULL;
		}
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max) {
			err_set(e, "'%s' is larger than %zu bytes", path, max);
			return NULL;
		}
		if (used == room)
			room *= 2;
	}
	buf[used] = '\0';
	*size = used;
	return steal_ptr(buf);
}

static int create(int dirfd, const char *path, const void *data, size_t size, mode_t mode, struct err *e)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "cannot create '%s'", path);
	if (fd_write_all(fd, data, size) == 0 && (mode == 0600 || fchmod(fd, mode) == 0) && fsync(fd) == 0)
		return 0;
	err_sys(e, errno, "cannot write '%s'", path);
	unlinkat(dirfd, path, 0);
	return -1;
}

int file_create(int dirfd, const char *path, const void *data, size_t size, struct err *e)
{
	return create(dirfd, path, data, size, 0600, e);
}

int file_publish(const char *path, const void *data, size_t size, mode_t mode, bool replace, struct err *e)
{
	_cleanup_free_ char *new = text_of("%s.new", path);

	if (replace)
		unlink(new);
	if (create(AT_FDCWD, new, data, size, mode, e) < 0)
		return -1;
	if (path_rename(new, path, replace, e) == 0)
		return path_sync_name(path, e);
	unlink(new);
	return -1;
}

/* rename(2) only replaces an empty directory, so files that came into it in between are safe. */
static int rename_dir_new(int from_dir, const char *from, int to_dir, const char *to)
{
	int saved;

	if (mkdirat(to_dir, to, 0700) < 0)
		return -1;
	if (renameat(from_dir, from, to_dir, to) == 0)
		return 0;
	saved = errno;
	unlinkat(to_dir, to, AT_REMOVEDIR);
	errno = saved;
	return -1;
}

static int rename_file_new(int from_dir, const char *from, int to_dir, const char *to)
{
	return linkat(from_dir, from, to_dir, to, 0) < 0 ? -1 : unlinkat(from_dir, from, 0);
}

int file_rename_new(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat st;

	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -1;
	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return (S_ISDIR(st.st_mode) ? rename_dir_new : rename_file_new)(from_dir, from, to_dir, to);
}

static const char probe[] = ".probe", probe_renamed[] = ".probe.renamed";

int dir_probe_rename(int dirfd, struct err *e)
{
	int result = 0;

	if (mkdirat(dirfd, probe, 0700) < 0 || file_rename_new(dirfd, probe, dirfd, probe_renamed) < 0)
		result = err_sys(e, errno, "cannot rename a directory on this filesystem");
	unlinkat(dirfd, result < 0 ? probe : probe_renamed, AT_REMOVEDIR);
	return result;
}

void dir_probe_clean(int dirfd)
{
	unlinkat(dirfd, probe, AT_REMOVEDIR);
	unlinkat(dirfd, probe_renamed, AT_REMOVEDIR);
}

int path_rename(const char *from, const char *to, bool replace, struct err *e)
{
	if ((replace ? rename(from, to) : file_rename_new(AT_FDCWD, from, AT_FDCWD, to)) == 0)
		return 0;
	return err_sys(e, errno, "cannot rename '%s' to '%s'", from, to);
}

int file_give(int dirfd, const char *name, uid_t uid, gid_t gid)
{
	return uid == geteuid() ? 0 : fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
}

int path_sync(const char *path, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	if (fsync(fd) < 0)
		return err_sys(e, errno, "cannot make '%s' durable", path);
	return 0;
}

int path_sync_name(const char *path, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(path);

	return path_sync(dir, e);
}

int dir_make_parents(const char *path, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(path);

	if (access(dir, F_OK) == 0)
		return 0;
	if (dir_make_parents(dir, e) < 0)
		return -1;
	return mkdir(dir, 0700) == 0 || errno == EEXIST ? 0 : err_sys(e, errno, "cannot create '%s'", dir);
}

/* Opens `name` if it is a directory on the filesystem of `fd`; a bind mount counts as another filesystem. */
static int open_child(int fd, const char *name)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};

	return (int)syscall(SYS_openat2, fd, name, &how, sizeof(how));
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Empties the directory `fd` (and closes it), with directories in it down to `levels`; the entry `keep` (or NULL) stays. */
static int empty_dir(int fd, int levels, const char *keep)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		close(fd);
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		int child;

		if (is_dots(entry->d_name) || (keep && strcmp(entry->d_name, keep) == 0) ||
		    unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		child = levels > 0 ? open_child(fd, entry->d_name) : -1;
		if (child < 0 || empty_dir(child, levels - 1, NULL) < 0 || unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0)
			result = -1;
	}
	closedir(dir);
	return result;
}

static int remove_to(const char *path, int levels)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 || empty_dir(fd, levels, NULL) < 0 ? -1 : rmdir(path);
}

static bool is_expected(const char *name, const char *other)
{
	return is_dots(name) || strcmp(name, probe) == 0 || strcmp(name, probe_renamed) == 0 || strcmp(name, other) == 0;
}

bool dir_is_empty(int fd, const char *other)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (!dir)
		return false;
	while ((entry = readdir(dir)) != NULL && is_expected(entry->d_name, other))
		;
	closedir(dir);
	return !entry;
}

int dir_empty(int fd)
{
	return empty_dir(fd, INT_MAX, NULL);
}

int dir_remove(const char *path)
{
	return remove_to(path, 1);
}

int dir_clear(const char *path, const char *keep)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -1 : empty_dir(fd, 1, keep);
}

int dir_remove_tree(const char *path, struct err *e)
{
	return remove_to(path, INT_MAX) == 0 || errno == ENOENT ? 0 : err_sys(e, errno, "cannot remove '%s'", path);
}
