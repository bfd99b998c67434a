/* SPDX-License-Identifier: MIT */
/*
 * The reader of image headers, given any file; what is no qcow2 image is taken for the name of a backing file as well.
 * They must not crash, and what they make of the bytes must hold: a header without a fault has fields in their ranges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/chain.h"
#include "fuzz.h"
#include "image/header/header.h"
#include "image/name.h"

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* What a header says where it says that it is good. */
static void check_good(const struct image_header *h, size_t size)
{
	check(h->file_size == size);
	check(!h->backing_name || (h->backing_name[0] && strlen(h->backing_name) <= 1023));
	check(!h->backing_format || strlen(h->backing_format) < 16);
	if (h->format != IMAGE_QCOW2)
		return;
	check(h->version == 2 || h->version == 3);
	check(h->cluster_bits >= 9 && h->cluster_bits <= 21 && h->refcount_bits >= 1 && h->refcount_bits <= 64);
	check(h->virtual_size <= INT64_MAX && h->compression <= 1 && h->n_snapshots <= 65536 && h->n_bitmaps <= 65535);
	check(h->l1_offset <= size && h->refcount_offset < size && h->refcount_clusters > 0);
}

static void read_header(int fd, size_t size)
{
	struct image_header h;
	struct err e;

	check(image_header_read(fd, &h, &e) == 0);
	if (!h.fault[0])
		check_good(&h, size);
	image_header_check_end(fd, &h);
	check(!h.truncated || h.fault[0]);
	image_header_release(&h);
}

static bool never(void *ctx, const char *path, bool is_link)
{
	(void)ctx;
	(void)path;
	(void)is_link;
	return false;
}

static void read_chain(int fd)
{
	const struct chain_options options = { .may_open = never, .end = true };
	_cleanup_chain_ struct chain *c = NULL;
	char path[64];
	struct err e;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c = chain_read_with(path, &options);
	check(c->n == 1 || c->n == 2);
	check(chain_whole(c, &e) == 0 || e.text[0]);
}

static void read_name(const uint8_t *data, size_t size)
{
	char *name = strndup((const char *)data, size);
	struct image_name n, below;

	image_name_parse(&n, name);
	check(n.fault[0] || n.path || n.protocol);
	image_name_of_options(&below, n.backing);
	image_name_release(&below);
	image_name_release(&n);
	free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("image", MFD_CLOEXEC);
	check(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	read_header(fd, size);
	read_chain(fd);
	if (size < 4 || memcmp(data, "QFI", 3) != 0)
		read_name(data, size);
	return 0;
}
