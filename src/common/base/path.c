/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"

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

bool path_is_name(const char *name)
{
	return name && name[0] && strlen(name) <= NAME_MAX && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

char *path_trimmed(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return text_of("%.*s", (int)n, path);
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

bool path_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
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
