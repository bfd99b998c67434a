/* SPDX-License-Identifier: MIT */
#include "base/fdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

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

void fd_drain(int fd)
{
	_cleanup_free_ char *dropped = memory_of(65536, 1);
	ssize_t n;

	do
		n = read(fd, dropped, 65536);
	while (n > 0 || (n < 0 && errno == EINTR));
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
		char *grown = realloc(buf, room + 1);
		ssize_t n;

		if (!grown) {
			err_sys(e, ENOMEM, "cannot read '%s'", path);
			return NULL;
		}
		buf = grown;
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

int file_create(int dirfd, const char *path, const void *data, size_t size, struct err *e)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "cannot create '%s'", path);
	if (fd_write_all(fd, data, size) < 0 || fsync(fd) < 0) {
		err_sys(e, errno, "cannot write '%s'", path);
		unlinkat(dirfd, path, 0);
		return -1;
	}
	return 0;
}

/* Gives `partial` its name. Returns 0 or -1. */
static int publish(const char *partial, const char *path, mode_t mode, bool replace, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(path);

	if (chmod(partial, mode) < 0)
		return err_sys(e, errno, "cannot set the mode of '%s'", partial);
	if (renameat2(AT_FDCWD, partial, AT_FDCWD, path, replace ? 0 : RENAME_NOREPLACE) < 0)
		return err_sys(e, errno, "cannot rename '%s' to '%s'", partial, path);
	return path_sync(dir, e);
}

int file_publish(const char *path, const void *data, size_t size, mode_t mode, bool replace, struct err *e)
{
	_cleanup_free_ char *partial = text_of("%s.partial", path);

	if (replace)
		unlink(partial);
	if (file_create(AT_FDCWD, partial, data, size, e) < 0)
		return -1;
	if (publish(partial, path, mode, replace, e) == 0)
		return 0;
	unlink(partial);
	return -1;
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

static void *or_die(void *p)
{
	if (!p) {
		fputs("mplcr: out of memory\n", stderr);
		exit(EXIT_FAILED);
	}
	return p;
}

char *text_of(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return or_die(text);
}

char *text_copy(const char *s)
{
	return s ? or_die(strdup(s)) : NULL;
}

void text_list_free(char **list)
{
	for (char **s = list; s && *s; s++)
		free(*s);
	free(list);
}

void *memory_of(size_t count, size_t size)
{
	return or_die(calloc(count ? count : 1, size));
}

char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return text_of(".");
	if (slash == path)
		return text_of("/");
	return text_of("%.*s", (int)(slash - path), path);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *path_join(const char *dir, const char *name)
{
	return name[0] == '/' ? text_of("%s", name) : text_of("%s/%s", dir, name);
}

char *path_real(const char *path)
{
	return realpath(path, NULL);
}

char *path_real_parent(const char *path)
{
	_cleanup_free_ char *dir = path_dir(path);
	_cleanup_free_ char *real = path_real(dir);

	if (!real)
		return NULL;
	return text_of("%s/%s", strcmp(real, "/") == 0 ? "" : real, path_base(path));
}

const char *path_below(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return path[0] == '/' && path[1] ? path + 1 : NULL;
	if (strncmp(path, dir, n) != 0 || path[n] != '/' || !path[n + 1])
		return NULL;
	return path + n + 1;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Removes what is in the directory `fd` (which it closes), `levels` deep. */
static int empty_dir(int fd, int levels)
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

		if (is_dots(entry->d_name) || unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		child = levels > 0 ? openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
		if (child < 0 || empty_dir(child, levels - 1) < 0 || unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0)
			result = -1;
	}
	closedir(dir);
	return result;
}

int dir_remove(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (empty_dir(fd, 1) < 0)
		return -1;
	return rmdir(path);
}
