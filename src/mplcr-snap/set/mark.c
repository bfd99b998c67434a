/* SPDX-License-Identifier: MIT */
#include "set/mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define ATTRIBUTE "user.mplcr.set"

void mark_new(char mark[MARK_SIZE], size_t n)
{
	struct timespec now;
	struct tm tm;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	used = strftime(mark, MARK_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(mark + used, MARK_SIZE - used, ".%03ldZ/%d/%zu", now.tv_nsec / 1000000, (int)getpid(), n);
}

int mark_put(int fd, const char *mark)
{
	return fsetxattr(fd, ATTRIBUTE, mark, strlen(mark), XATTR_CREATE);
}

/* Anyone may have written it: three parts, of harmless bytes, the last one a number. */
static bool makes_sense(const char *mark)
{
	size_t created = strcspn(mark, "/"), process;
	const char *at = mark + created;

	if (created == 0 || *at != '/' || strspn(mark, "0123456789-:.TZ") != created)
		return false;
	process = strspn(++at, "0123456789");
	if (process == 0 || at[process] != '/')
		return false;
	at += process + 1;
	return strlen(at) > 0 && strlen(at) < 10 && strspn(at, "0123456789") == strlen(at);
}

bool mark_get(const char *path, char mark[MARK_SIZE])
{
	ssize_t n = lgetxattr(path, ATTRIBUTE, mark, MARK_SIZE - 1);

	if (n <= 0)
		return false;
	mark[n] = '\0';
	return makes_sense(mark);
}

void mark_created(const char *mark, char created[MARK_SIZE])
{
	snprintf(created, MARK_SIZE, "%.*s", (int)strcspn(mark, "/"), mark);
}

uint64_t mark_files(const char *mark)
{
	return strtoull(strrchr(mark, '/') + 1, NULL, 10);
}
