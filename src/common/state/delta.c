/* SPDX-License-Identifier: MIT */
#include "state/delta.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "state/stream.h"

enum {
	EXCESS = 8,       /* one page in excess for so many that differ */
	EXCESS_FREE = 64, /* pages in excess that are always allowed */
	CROWDED = 4,      /* pages of an extent on average; from there on fewer extents matter more */
};

/* Maps have a bit for each page. */
struct delta {
	int fd;
	uint64_t length;   /* bytes */
	uint64_t pages;
	uint64_t *data;    /* the file has data there, or is about to get some; elsewhere it has a hole */
	uint64_t *seen;    /* the stream had the page */
	uint64_t *changed; /* it was written, since it differed */
	uint64_t *zeroed;  /* it had data, and became a hole */
	uint64_t differed; /* pages, each repeat counts */
	uint64_t excess;   /* pages written that did not differ */
	bool crowded;
	uint8_t buffer[DELTA_RUN * STREAM_PAGE];
};

static uint64_t words(uint64_t pages)
{
	return pages / 64 + 1;
}

static void set(uint64_t *map, uint64_t page)
{
	map[page / 64] |= 1ull << page % 64;
}

static void clear(uint64_t *map, uint64_t page)
{
	map[page / 64] &= ~(1ull << page % 64);
}

static bool has(const uint64_t *map, uint64_t page)
{
	return map[page / 64] >> page % 64 & 1;
}

/* --- what the file is like at the beginning ---------------------------------------------------------------------- */

/* Fills in the map of data. */
static void map_data(struct delta *d)
{
	off_t at = 0, end = (off_t)d->length;

	while (at < end) {
		off_t data = lseek(d->fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return; /* a hole up to the end */
		if (data < 0)
			data = at; /* a filesystem without SEEK_DATA */
		hole = lseek(d->fd, data, SEEK_HOLE);
		if (hole <= data || hole > end)
			hole = end;
		for (uint64_t page = (uint64_t)data / STREAM_PAGE; page * STREAM_PAGE < (uint64_t)hole; page++)
			set(d->data, page);
		at = hole;
	}
}

/* Whether it has so many extents already that reading it takes longer. (FIEMAP without room only counts.) */
static bool is_crowded(const struct delta *d)
{
	struct fiemap map = { .fm_length = FIEMAP_MAX_OFFSET };

	return ioctl(d->fd, FS_IOC_FIEMAP, &map) == 0 && map.fm_mapped_extents > d->pages / CROWDED;
}

/* The size of the maps comes from a file that may be anybody's: do not end the process over it. */
static bool has_maps(struct delta *d)
{
	uint64_t **maps[] = { &d->data, &d->seen, &d->changed, &d->zeroed };

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		*maps[i] = calloc(words(d->pages), sizeof(**maps[i]));
		if (!*maps[i])
			return false;
	}
	return true;
}

struct delta *delta_new(int fd)
{
	struct delta *d;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->fd = fd;
	d->length = (uint64_t)st.st_size;
	d->pages = d->length / STREAM_PAGE;
	if (!has_maps(d)) {
		delta_free(d);
		errno = ENOMEM;
		return NULL;
	}
	map_data(d);
	d->crowded = is_crowded(d);
	return d;
}

void delta_free(struct delta *d)
{
	if (!d)
		return;
	free(d->data);
	free(d->seen);
	free(d->changed);
	free(d->zeroed);
	free(d);
}

uint64_t delta_length(const struct delta *d)
{
	return d->length;
}

/* --- the stream -------------------------------------------------------------------------------------------------- */

void delta_content(struct delta *d, uint64_t offset)
{
	set(d->seen, offset / STREAM_PAGE);
	set(d->data, offset / STREAM_PAGE);
}

bool delta_zeros(struct delta *d, uint64_t offset)
{
	uint64_t page = offset / STREAM_PAGE;

	set(d->seen, page);
	if (!has(d->data, page))
		return false;
	clear(d->data, page);
	clear(d->changed, page);
	set(d->zeroed, page);
	return true;
}

static int read_file(struct delta *d, size_t size, uint64_t offset)
{
	ssize_t n = fd_read_at(d->fd, d->buffer, size, offset);

	if (n >= 0 && (size_t)n < size)
		errno = EIO; /* it became shorter */
	return n == (ssize_t)size ? 0 : -1;
}

static bool may_exceed(const struct delta *d, size_t differ, size_t excess)
{
	return d->crowded || (differ > 1 && d->excess + excess <= d->differed / EXCESS + EXCESS_FREE);
}

/* Of the unit, or what the run has of it, all or only the pages that differ. */
static void fill_unit(struct delta *d, bool *write, size_t n)
{
	size_t differ = 0;

	for (size_t i = 0; i < n; i++)
		differ += write[i];
	if (differ == 0 || differ == n || !may_exceed(d, differ, n - differ))
		return;
	d->excess += n - differ;
	memset(write, true, n * sizeof(*write));
}

static void note_changed(struct delta *d, uint64_t page)
{
	d->differed++;
	set(d->changed, page);
	clear(d->zeroed, page);
}

int delta_compare(struct delta *d, const struct iovec *pages, size_t n, uint64_t offset, bool *write)
{
	uint64_t first = offset / STREAM_PAGE;
	size_t next;

	if (read_file(d, n * STREAM_PAGE, offset) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		write[i] = memcmp(d->buffer + i * STREAM_PAGE, pages[i].iov_base, STREAM_PAGE) != 0;
		if (write[i])
			note_changed(d, first + i);
	}
	for (size_t i = 0; i < n; i = next) {
		next = i + DELTA_UNIT - (first + i) % DELTA_UNIT;
		if (next > n)
			next = n;
		fill_unit(d, write + i, next - i);
	}
	return 0;
}

bool delta_unseen(const struct delta *d, uint64_t *offset)
{
	uint64_t page = *offset / STREAM_PAGE;

	while (page < d->pages) {
		uint64_t left = (d->data[page / 64] & ~d->seen[page / 64]) >> page % 64;

		if (left) {
			*offset = (page + (unsigned)__builtin_ctzll(left)) * STREAM_PAGE;
			return true;
		}
		page = (page / 64 + 1) * 64;
	}
	return false;
}

struct delta_count delta_counted(const struct delta *d)
{
	struct delta_count c = { 0 };

	for (uint64_t i = 0; i < words(d->pages); i++) {
		c.changed += (unsigned)__builtin_popcountll(d->changed[i]);
		c.zeroed += (unsigned)__builtin_popcountll(d->zeroed[i]);
	}
	c.same = d->pages - c.changed - c.zeroed;
	return c;
}
