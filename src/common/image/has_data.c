/* SPDX-License-Identifier: MIT */
#include "image/has_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "image/header/header.h"

/* Whether any of `size` bytes from `at` on is not 0, or cannot be read. */
static bool any_set(int fd, uint64_t at, uint64_t size)
{
	unsigned char buf[4096];

	while (size > 0) {
		ssize_t n = fd_read_at(fd, buf, size < sizeof(buf) ? size : sizeof(buf), at);

		if (n <= 0)
			return true;
		for (ssize_t i = 0; i < n; i++)
			if (buf[i])
				return true;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return false;
}

static bool qcow2_has_data(int fd, const struct image_header *h)
{
	return h->fault[0] || h->data_file || h->n_snapshots > 0 ||
	       any_set(fd, h->l1_offset, (uint64_t)h->l1_entries * sizeof(uint64_t));
}

bool image_has_data(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct image_header h;
	struct err ignored;
	struct stat st;
	bool has;

	if (fd < 0)
		return errno != ENOENT;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return true;
	if (st.st_size == 0)
		return false;
	has = image_header_read(fd, &h, &ignored) < 0 || h.format != IMAGE_QCOW2 || qcow2_has_data(fd, &h);
	image_header_release(&h);
	return has;
}
