/* SPDX-License-Identifier: MIT */
#include "qemu/image_path.h"

#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "base/proc.h"
#include "image/name.h"

char *image_path(const char *shown, const char *cwd, pid_t pid)
{
	_cleanup_free_ char *name = image_name_is_json(shown) ? image_name_lowest_file(shown) : text_copy(shown);
	_cleanup_free_ char *there = NULL, *open_file = NULL;
	char *real;

	if (!name || (name[0] != '/' && !cwd))
		return NULL;
	there = path_join(cwd ? cwd : "/", name);
	real = path_real(there);
	if (real || name[0] == '/')
		return real;
	open_file = procinfo_open_file(pid, name);
	return open_file ? path_real(open_file) : NULL;
}

bool image_same(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
