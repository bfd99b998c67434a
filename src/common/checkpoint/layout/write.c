/* SPDX-License-Identifier: MIT */
/* A file of the state on its way out. */
#include "checkpoint/layout/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/zstd.h"

enum { BLOCK = 1 << 20 };

static int open_file(int dirfd, const char *name, struct err *e)
{
	int fd = beneath_open(dirfd, name);

	return fd >= 0 ? fd : err_sys(e, errno, "cannot open '%s'", name);
}

static int give(int to, const void *data, size_t size, struct err *e)
{
	return fd_write_all(to, data, size) == 0 ? 0 : err_sys(e, errno, "cannot hand over the state");
}

int layout_write_file(int dirfd, const char *name, int to, struct err *e)
{
	_cleanup_close_ int from = open_file(dirfd, name, e);

	return from < 0 ? -1 : fd_pass_on(from, to, name, e);
}

int layout_write_zstd(int dirfd, const char *name, int to, struct err *e)
{
	_cleanup_close_ int from = open_file(dirfd, name, e);
	_cleanup_free_ char *buf = memory_of(BLOCK, 1);
	struct zstd_reader *reader = from >= 0 ? zstd_reader_open(from, e) : NULL;
	int result = reader ? 0 : -1;

	while (result == 0) {
		ssize_t n = zstd_reader_read(reader, buf, BLOCK, e);

		if (n < 0)
			result = err_prefix(e, "'%s'", name);
		if (n <= 0)
			break;
		result = give(to, buf, (size_t)n, e);
	}
	zstd_reader_free(reader);
	return result;
}
