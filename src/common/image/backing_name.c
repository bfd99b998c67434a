/* SPDX-License-Identifier: MIT */
#include "image/backing_name.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"

/* The length of the directory that both are below, without the '/' after it: 0 where that is the root. */
static size_t common_directory(const char *a, const char *b)
{
	size_t last = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			last = i;
	return last;
}

static bool on_one_filesystem(const char *a, const char *b)
{
	_cleanup_free_ char *dir_a = path_dir(a), *dir_b = path_dir(b);
	struct stat x, y;

	if (strcmp(dir_a, dir_b) == 0)
		return true; /* which need not exist yet */
	return stat(dir_a, &x) == 0 && stat(dir_b, &y) == 0 && x.st_dev == y.st_dev;
}

/* A name that QEMU takes for a path: a colon before the first '/' would make it a protocol. */
static char *plain_name(const char *path)
{
	size_t n = strcspn(path, "/:");

	return path[n] == ':' ? text_of("./%s", path) : text_copy(path);
}

char *relative_name(const char *dir, const char *to)
{
	_cleanup_free_ char *at = text_copy(dir), *ups = text_copy("");

	for (;;) {
		const char *below = path_below(at, to);
		char *up;

		if (below) {
			_cleanup_free_ char *name = text_of("%s%s", ups, below);

			return plain_name(name);
		}
		up = path_dir(at);
		free(at);
		at = up;
		up = text_of("../%s", ups);
		free(ups);
		ups = up;
	}
}

char *backing_name(const char *image, const char *backing, bool absolute)
{
	_cleanup_free_ char *dir = path_dir(image);

	if (absolute || common_directory(image, backing) == 0 || !on_one_filesystem(image, backing))
		return text_copy(backing);
	return relative_name(dir, backing);
}
