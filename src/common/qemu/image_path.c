/* SPDX-License-Identifier: MIT */
#include "qemu/image_path.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "base/proc.h"

#define MAX_DEPTH 8

/*
 * The file in a "json:" file name (QEMU shows one where a name alone would not open the image again): the nested
 * "file" objects are followed to the "filename". Malloc'd, or NULL.
 */
static char *file_of_json_name(const char *name)
{
	_cleanup_json_ json_t *options = json_loads(name, 0, NULL);
	const json_t *at = options;

	for (int depth = 0; depth < MAX_DEPTH && at; depth++) {
		if (json_text(at, "filename"))
			return text_copy(json_text(at, "filename"));
		at = json_object_get(at, "file");
	}
	return NULL;
}

char *image_path(const char *shown, const char *cwd, pid_t pid)
{
	_cleanup_free_ char *name = strncmp(shown, "json:", 5) == 0 ? file_of_json_name(shown + 5) : text_copy(shown);
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
