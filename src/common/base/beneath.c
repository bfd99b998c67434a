/* SPDX-License-Identifier: MIT */
#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

/* One part of a name, which must be no way up. */
static int open_part(int dirfd, const char *part, int flags)
{
	if (strcmp(part, "..") == 0) {
		errno = EXDEV;
		return -1;
	}
	return openat(dirfd, part, flags | O_NOFOLLOW);
}

/* Without openat2: one directory after the other. */
static int open_parts(int dirfd, const char *name, int flags)
{
	_cleanup_free_ char *copy = text_copy(name);
	_cleanup_close_ int dir = -1;
	char *part = copy, *slash;

	if (name[0] == '/') {
		errno = EXDEV;
		return -1;
	}
	for (; (slash = strchr(part, '/')) != NULL; part = slash + 1) {
		int next;

		*slash = '\0';
		if (!*part)
			continue;
		next = open_part(dir < 0 ? dirfd : dir, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (next < 0)
			return -1;
		cleanup_close(&dir);
		dir = next;
	}
	return open_part(dir < 0 ? dirfd : dir, part, flags);
}

static int open_below(int dirfd, const char *name, int flags)
{
	const struct open_how how = {
		.flags = (unsigned)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN);
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return (int)fd;
	return open_parts(dirfd, name, flags);
}

/* To open a device or a pipe may do something, so its kind is looked at first. (O_PATH takes a link as it is.) */
static int check_kind(int dirfd, const char *name)
{
	_cleanup_close_ int fd = open_below(dirfd, name, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return 0;
	errno = S_ISLNK(st.st_mode) ? ELOOP : ENXIO;
	return -1;
}

int beneath_open(int dirfd, const char *name)
{
	if (check_kind(dirfd, name) < 0)
		return -1;
	return open_below(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

int beneath_open_at(const char *dir, const char *name)
{
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dirfd < 0 ? -1 : beneath_open(dirfd, name);
}
