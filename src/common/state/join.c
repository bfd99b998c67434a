/* SPDX-License-Identifier: MIT */
#include "state/join.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "state/ram_out.h"
#include "state/stream.h"
#include "state/pump.h"
#include "state/names.h"

enum { PAGES = 256 }; /* read and written at once */

/* A file with pages for the stream. */
struct source {
	const struct stream_join_ram *name;
	const struct stream_block *block;
	int fd;
};

struct join {
	int dirfd, out_fd;
	struct ram_out out;
	struct source *sources;
	size_t n_sources;
	const struct stream_range *ranges; /* the pages that go in, or NULL: all */
	size_t n_ranges;

	uint8_t pages[PAGES * STREAM_PAGE];
};

static int read_pages(struct join *j, const struct source *src, uint64_t at, size_t len, struct err *e)
{
	ssize_t n = fd_read_at(src->fd, j->pages, len, at);

	if (n < 0)
		return err_sys(e, errno, "cannot read '%s'", src->name->path);
	if ((size_t)n < len)
		return err_set(e, "'%s' was truncated while it was being read", src->name->path);
	return 0;
}

/* Adds the pages that were just read. */
static int add_pages(struct join *j, const struct source *src, uint64_t at, size_t len, struct err *e)
{
	const struct ram_pages pages = {
		.fd = src->fd,
		.at = at,
		.path = src->name->path,
		.read = j->pages,
		.length = len,
	};

	return ram_out_pages(&j->out, src->block->name, at, &pages, e);
}

static int add_content(struct join *j, const struct source *src, uint64_t at, uint64_t end, struct err *e)
{
	while (at < end) {
		size_t len = end - at < sizeof(j->pages) ? (size_t)(end - at) : sizeof(j->pages);

		/* What was added may point into the buffer. */
		if (gather_flush(j->out.out, e) < 0 || read_pages(j, src, at, len, e) < 0 || add_pages(j, src, at, len, e) < 0)
			return -1;
		at += len;
	}
	return 0;
}

static int add_hole(struct join *j, const struct source *src, uint64_t at, uint64_t end, struct err *e)
{
	for (; at < end; at += STREAM_PAGE)
		if (ram_out_zeros(&j->out, src->block->name, at, e) < 0)
			return -1;
	return 0;
}

/* Finds the next piece of content at or after `at`, in whole pages. */
static void find_content(const struct source *src, uint64_t at, uint64_t *from, uint64_t *to)
{
	uint64_t length = src->block->length;
	off_t data = lseek(src->fd, (off_t)at, SEEK_DATA);
	off_t hole = data < 0 ? -1 : lseek(src->fd, data, SEEK_HOLE);

	*from = at;
	if (data >= 0)
		*from = (uint64_t)data / STREAM_PAGE * STREAM_PAGE;
	else if (errno == ENXIO)
		*from = length; /* a hole up to the end */
	if (*from > length)
		*from = length;
	*to = length;
	if (hole >= 0 && (uint64_t)hole < length)
		*to = ((uint64_t)hole + STREAM_PAGE - 1) / STREAM_PAGE * STREAM_PAGE;
}

static int add_source(struct join *j, const struct source *src, struct err *e)
{
	uint64_t at = 0, from, to;

	while (at < src->block->length) {
		find_content(src, at, &from, &to);
		if (add_hole(j, src, at, from, e) < 0 || add_content(j, src, from, to, e) < 0)
			return -1;
		at = to;
	}
	return 0;
}

static int add_ranges(struct join *j, const struct source *src, struct err *e)
{
	for (size_t i = 0; i < j->n_ranges; i++) {
		if (j->ranges[i].to > src->block->length)
			return err_set(e, "RAM block '%s' has no page at %llu", src->block->name,
				       (unsigned long long)j->ranges[i].from);
		if (add_content(j, src, j->ranges[i].from, j->ranges[i].to, e) < 0)
			return -1;
	}
	return 0;
}

static int on_ram_begun(void *ctx, uint32_t section, struct err *e)
{
	struct join *j = ctx;

	if (!j->n_sources)
		return 0;
	j->out.section = section;
	if (ram_out_begin(&j->out, e) < 0)
		return -1;
	for (size_t i = 0; i < j->n_sources; i++) {
		if (!j->sources[i].block)
			return err_set(e, "'" STATE_DEVICES "' declares no RAM block");
		if ((j->ranges ? add_ranges : add_source)(j, &j->sources[i], e) < 0)
			return -1;
	}
	return ram_out_end(&j->out, e);
}

static int open_source(struct join *j, struct source *src, struct err *e)
{
	struct stat st;

	src->fd = beneath_open(j->dirfd, src->name->path);
	if (src->fd < 0 || fstat(src->fd, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", src->name->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, "'%s' is not a regular file", src->name->path);
	if ((uint64_t)st.st_size != src->block->length)
		return err_set(e, "'%s' has %llu bytes, and RAM block '%s' has %llu", src->name->path,
			       (unsigned long long)st.st_size, src->block->name,
			       (unsigned long long)src->block->length);
	return 0;
}

static int on_blocks(void *ctx, struct stream_block *blocks, size_t n, struct err *e)
{
	struct join *j = ctx;

	for (size_t i = 0; i < j->n_sources; i++) {
		struct source *src = &j->sources[i];

		for (size_t b = 0; b < n && !src->block; b++) {
			if (strcmp(blocks[b].name, src->name->block) != 0)
				continue;
			if (blocks[b].take)
				return err_set(e, "RAM block '%s' appears twice", blocks[b].name);
			blocks[b].take = true;
			src->block = &blocks[b];
		}
		if (!src->block)
			return err_set(e, "'" STATE_DEVICES "' declares no RAM block '%s'", src->name->block);
		if (open_source(j, src, e) < 0)
			return -1;
	}
	return 0;
}

static int refuse_page(struct err *e)
{
	return err_set(e, "'" STATE_DEVICES "' holds pages of a RAM block that has a file of its own");
}

static int on_page(void *ctx, size_t block, uint64_t offset, const uint8_t *data, struct err *e)
{
	(void)ctx;
	(void)block;
	(void)offset;
	(void)data;
	return refuse_page(e);
}

static int on_fill(void *ctx, size_t block, uint64_t offset, uint8_t byte, struct err *e)
{
	(void)ctx;
	(void)block;
	(void)offset;
	(void)byte;
	return refuse_page(e);
}

static int on_rest(void *ctx, const void *data, size_t len, struct err *e)
{
	struct join *j = ctx;

	return fd_write_all(j->out_fd, data, len) < 0 ? err_sys(e, errno, "cannot write the migration stream") : 0;
}

static int run(struct join *j, bool undescribed, struct err *e)
{
	static const struct stream_events events = {
		.blocks = on_blocks, .page = on_page, .fill = on_fill, .rest = on_rest, .ram_begun = on_ram_begun,
	};
	struct stream_options options = { .undescribed = undescribed, .pageless = true };
	_cleanup_close_ int fd = beneath_open(j->dirfd, STATE_DEVICES);
	struct stream_pump pump = { .fd = fd };
	int result;

	if (fd < 0)
		return err_sys(e, errno, "cannot open '" STATE_DEVICES "'");
	pump.stream = stream_new(&events, j, &options);
	result = stream_pump(&pump, e);
	stream_free(pump.stream);
	return result;
}

static int join(struct join *j, const struct stream_join_ram *ram, size_t n_ram, bool undescribed, struct err *e)
{
	int result;

	j->out.out = gather_open(j->out_fd);
	j->n_sources = n_ram;
	j->sources = memory_of(n_ram, sizeof(*j->sources));
	for (size_t i = 0; i < n_ram; i++)
		j->sources[i] = (struct source){ .name = &ram[i], .fd = -1 };
	result = run(j, undescribed, e);
	for (size_t i = 0; i < n_ram; i++)
		if (j->sources[i].fd >= 0)
			close(j->sources[i].fd);
	free(j->sources);
	gather_close(j->out.out);
	return result;
}

int stream_join(int dirfd, const struct stream_join_ram *ram, size_t n_ram, bool undescribed, int out_fd,
		struct err *e)
{
	_cleanup_free_ struct join *j = memory_of(1, sizeof(*j));

	j->dirfd = dirfd;
	j->out_fd = out_fd;
	return join(j, ram, n_ram, undescribed, e);
}

int stream_join_pages(int dirfd, const struct stream_join_ram *ram, const struct stream_range *ranges, size_t n_ranges,
		      bool undescribed, int out_fd, struct err *e)
{
	_cleanup_free_ struct join *j = memory_of(1, sizeof(*j));

	j->dirfd = dirfd;
	j->out_fd = out_fd;
	j->ranges = ranges;
	j->n_ranges = n_ranges;
	return join(j, ram, 1, undescribed, e);
}
