/* SPDX-License-Identifier: MIT */
/* A directory of the test's own, for tests with many files. */
#ifndef TEST_IN_ROOT_H
#define TEST_IN_ROOT_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static char root[64]; /* of all files of the test: set by the test, with mkdtemp */

/* A path below the root; good until it was called eight times more. */
static inline char *in(const char *name)
{
	static char paths[8][4096];
	static int turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

static inline void must(int result)
{
	if (result < 0) {
		perror(program_invocation_short_name);
		abort();
	}
}

#endif
