/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* The target of the link at `path`, malloc'd, or NULL where it is none. */
static char *link_target(const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target));

	return n > 0 && (size_t)n < sizeof(target) ? text_of("%.*s", (int)n, target) : NULL;
}

/* One step: `*at` goes on by the first part of `*left`, which is what is left then, with a link's target before it. */
static void follow_part(char **at, char **left, unsigned *links)
{
	size_t n = strcspn(*left, "/");
	_cleanup_free_ char *from = *at, *part = text_of("%.*s", (int)n, *left), *target = NULL;
	char *rest = text_of("%s", *left + n + strspn(*left + n, "/"));

	*at = strcmp(part, "..") == 0 ? path_dir(from)
	      : strcmp(part, ".") == 0 ? text_of("%s", from)
				      : text_of("%s/%s", strcmp(from, "/") == 0 ? "" : from, part);
	free(*left);
	*left = rest;
	target = link_target(*at);
	if (!target)
		return;
	++*links;
	free(*at);
	*at = text_of("%s", target[0] == '/' ? "/" : from);
	*left = text_of("%s/%s", target + strspn(target, "/"), rest);
	free(rest);
}

bool path_passes(const char *path, const char *dir)
{
	enum { LINKS = 40 }; /* as Linux does */
	_cleanup_free_ char *at = text_of("/"), *left = text_of("%s", path + strspn(path, "/"));
	bool passes = false;
	unsigned links = 0;

	while (*left && links <= LINKS && !passes) {
		follow_part(&at, &left, &links);
		passes = strcmp(at, dir) == 0 || path_below(dir, at) != NULL;
	}
	return passes || links > LINKS;
}
