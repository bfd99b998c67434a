/* SPDX-License-Identifier: MIT */
#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

#define FILE_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* One part of a name, which must be no way up. */
static int open_part(int dirfd, const char *part, int flags)
{
	if (strcmp(part, "..") == 0) {
		errno = EXDEV;
		return -1;
	}
	return openat(dirfd, part, flags | O_NOFOLLOW);
}

static int open_parts(int dirfd, const char *name)
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
	return open_part(dir < 0 ? dirfd : dir, part, FILE_FLAGS);
}

int beneath_open(int dirfd, const char *name)
{
	const struct open_how how = {
		.flags = FILE_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN);
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return (int)fd;
	return open_parts(dirfd, name);
}

int beneath_open_at(const char *dir, const char *name)
{
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dirfd < 0 ? -1 : beneath_open(dirfd, name);
}
