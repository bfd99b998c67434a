/* SPDX-License-Identifier: MIT */
#include "state/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "state/pump.h"

/*
 * An entry of an index: 0 of a page that never came; odd of one of a byte value, which is the rest; else twice the offset
 * of the page in the file, which is never 0.
 */
#define ENTRY_FILL(byte) ((uint64_t)(byte) << 1 | 1)
#define ENTRY_AT(offset) ((uint64_t)(offset) << 1)
#define entry_is_fill(entry) ((entry) & 1)
#define entry_byte(entry) ((uint8_t)((entry) >> 1))
#define entry_offset(entry) ((entry) >> 1)

enum {
	TAIL_MAX = 256 << 20,     /* bytes of devices: QEMU's have less than one MiB, large GPUs some */
	RUN_MAX = 1 << 20,        /* pages that ram_run looks ahead */
};

struct reading {
	struct ram *m;
	const struct ram_source *from;
	struct ram_tail *t;
	struct stream *stream;
	uint64_t copied; /* bytes in the temporary file */
	size_t room;     /* of the tail */
};

static int on_blocks(void *ctx, struct stream_block *blocks, size_t n, struct err *e)
{
	struct reading *r = ctx;

	r->m->blocks = memory_of(n, sizeof(*r->m->blocks));
	for (; r->m->n < n; r->m->n++) {
		struct ram_block *b = &r->m->blocks[r->m->n];

		memcpy(b->name, blocks[r->m->n].name, sizeof(b->name));
		b->length = blocks[r->m->n].length;
		b->fd = -1;
		blocks[r->m->n].take = true;
		/* The length may be a lie: pages that do not come cost no memory, and a failure is no reason to end. */
		b->index = calloc(b->length / STREAM_PAGE + 1, sizeof(*b->index));
		if (!b->index) {
			r->m->n++;
			return err_set(e, "RAM block '%s' has %llu bytes: too many", b->name, (unsigned long long)b->length);
		}
	}
	return 0;
}

/* Sets the entry, and counts the page as what it is now. */
static void set_entry(struct ram_block *b, uint64_t offset, uint64_t entry)
{
	uint64_t *at = &b->index[offset / STREAM_PAGE];

	if (*at)
		--*(*at == ENTRY_FILL(0) ? &b->zero : &b->stored);
	++*(entry == ENTRY_FILL(0) ? &b->zero : &b->stored);
	*at = entry;
}

/* Appends the page to the temporary file. */
static int copy_page(struct reading *r, const uint8_t *data, struct err *e)
{
	if (fd_write_at(r->m->fd, data, STREAM_PAGE, r->copied) < 0)
		return err_sys(e, errno, "cannot write a temporary file");
	r->copied += STREAM_PAGE;
	return 0;
}

static int on_page(void *ctx, size_t block, uint64_t offset, const uint8_t *data, struct err *e)
{
	struct reading *r = ctx;
	struct ram_block *b = &r->m->blocks[block];
	uint64_t at = r->from->base + stream_offset(r->stream, data), entry = b->index[offset / STREAM_PAGE];

	if (!r->from->index || r->from->seekable) {
		set_entry(b, offset, ENTRY_AT(at));
		return 0;
	}
	/* One that comes again is written over. */
	if (entry && !entry_is_fill(entry))
		return fd_write_at(r->m->fd, data, STREAM_PAGE, entry_offset(entry)) == 0
			       ? 0
			       : err_sys(e, errno, "cannot write a temporary file");
	set_entry(b, offset, ENTRY_AT(r->copied));
	return copy_page(r, data, e);
}

static int on_fill(void *ctx, size_t block, uint64_t offset, uint8_t byte, struct err *e)
{
	struct reading *r = ctx;

	(void)e;
	set_entry(&r->m->blocks[block], offset, ENTRY_FILL(byte));
	return 0;
}

static int on_tail(void *ctx, const void *data, size_t len, struct err *e)
{
	struct ram_tail *t = ((struct reading *)ctx)->t;
	size_t *room = &((struct reading *)ctx)->room;

	if (len > TAIL_MAX - t->n)
		return err_set(e, "the state of the devices has more than %d MiB", TAIL_MAX >> 20);
	if (t->n + len > *room) {
		*room = 2 * (t->n + len);
		t->bytes = memory_resize(t->bytes, *room, 1);
	}
	memcpy(t->bytes + t->n, data, len);
	t->n += len;
	return 0;
}

static int open_temporary(struct reading *r, struct err *e)
{
	const char *dir = getenv("TMPDIR");

	r->m->fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (r->m->fd < 0)
		return err_sys(e, errno, "cannot make a temporary file in '%s'", dir && *dir ? dir : "/tmp");
	r->m->owned = true;
	r->copied = STREAM_PAGE; /* no page is at 0 */
	return 0;
}

static void keep_results(const struct reading *r)
{
	struct stream_info info = stream_info(r->stream);

	memcpy(r->t->machine, info.machine, strlen(info.machine) + 1);
	r->t->stream_bytes = info.bytes;
	r->t->description = info.described ? info.description : 0;
}

int ram_read(struct ram *m, const struct ram_source *from, struct ram_tail *t, struct err *e)
{
	static const struct stream_events events = {
		.blocks = on_blocks, .page = on_page, .fill = on_fill, .tail = on_tail,
	};
	const struct stream_options options = { .undescribed = from->undescribed, .pageless = from->pageless };
	struct reading r = { .m = m, .from = from, .t = t };
	struct stream_pump pump = { .fd = from->fd };
	int result;

	*m = (struct ram){ .fd = from->fd };
	*t = (struct ram_tail){ 0 };
	if (from->index && !from->seekable && open_temporary(&r, e) < 0)
		return -1;
	r.stream = pump.stream = stream_new(&events, &r, &options);
	result = stream_pump(&pump, e);
	if (result == 0)
		keep_results(&r);
	stream_free(r.stream);
	return result;
}

struct ram_block *ram_find(const struct ram *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->blocks[i].name, name) == 0)
			return &m->blocks[i];
	return NULL;
}

/* Counts the pages of a file that are not holes. */
static uint64_t stored_pages(int fd, uint64_t length)
{
	uint64_t pages = 0;
	off_t at = 0, data;

	while ((uint64_t)at < length && (data = lseek(fd, at, SEEK_DATA)) >= 0 && (uint64_t)data < length) {
		at = lseek(fd, data, SEEK_HOLE);
		if (at < 0 || (uint64_t)at > length)
			at = (off_t)length;
		pages += ((uint64_t)at + STREAM_PAGE - 1) / STREAM_PAGE - (uint64_t)data / STREAM_PAGE;
	}
	return pages;
}

int ram_attach(struct ram *m, const char *block, int fd, struct err *e)
{
	_cleanup_close_ int owned = fd;
	struct ram_block *b = ram_find(m, block);
	struct stat st;

	if (!b)
		return err_set(e, "the state declares no RAM block '%s'", block);
	if (b->fd >= 0 || b->stored || b->zero)
		return err_set(e, "the state holds pages of RAM block '%s', which has a file of its own", block);
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != b->length)
		return err_set(e, "the file of RAM block '%s' has %llu bytes, and the block has %llu", block,
			       (unsigned long long)st.st_size, (unsigned long long)b->length);
	free(b->index);
	b->index = NULL;
	b->stored = stored_pages(fd, b->length);
	b->fd = steal_fd(&owned);
	return 0;
}

static int read_at(int fd, uint8_t *buf, size_t size, uint64_t at, const struct ram_block *b, struct err *e)
{
	ssize_t n = fd_read_at(fd, buf, size, at);

	if (n < 0)
		return err_sys(e, errno, "cannot read RAM block '%s'", b->name);
	return (size_t)n < size ? err_set(e, "RAM block '%s' was truncated while it was being read", b->name) : 0;
}

/* How many of `n` entries from `entry` on are the same: absent, one byte value, or one page behind the other. */
static size_t entries_alike(const uint64_t *entry, size_t n)
{
	/* In a stream, a head of 8 bytes comes before each page: only those of the temporary file lie together. */
	uint64_t step = entry[0] && !entry_is_fill(entry[0]) ? ENTRY_AT(STREAM_PAGE) : 0;
	size_t i = 1;

	while (i < n && entry[i] == entry[0] + i * step)
		i++;
	return i;
}

int ram_pages(const struct ram *m, const struct ram_block *b, uint64_t page, size_t n, uint8_t *buf,
		 struct err *e)
{
	if (b->fd >= 0)
		return read_at(b->fd, buf, n * STREAM_PAGE, page * STREAM_PAGE, b, e);
	while (n > 0) {
		const uint64_t *entry = &b->index[page];
		size_t run = entries_alike(entry, n), size = run * STREAM_PAGE;

		if (!*entry || entry_is_fill(*entry))
			memset(buf, *entry ? entry_byte(*entry) : 0, size);
		else if (read_at(m->fd, buf, size, entry_offset(*entry), b, e) < 0)
			return -1;
		page += run;
		n -= run;
		buf += size;
	}
	return 0;
}

/* The same in a file with holes. */
static uint64_t file_run(const struct ram_block *b, uint64_t at, bool *zero)
{
	off_t data = lseek(b->fd, (off_t)at, SEEK_DATA), end;
	uint64_t pages;

	*zero = data < 0 ? errno == ENXIO : (uint64_t)data / STREAM_PAGE * STREAM_PAGE > at;
	end = *zero ? data : lseek(b->fd, (off_t)at, SEEK_HOLE);
	if (end < 0 || (uint64_t)end > b->length)
		end = (off_t)b->length;
	/* A page that is only partly a hole is no hole. */
	pages = ((uint64_t)end + (*zero ? 0 : STREAM_PAGE - 1)) / STREAM_PAGE - at / STREAM_PAGE;
	return pages ? pages : 1;
}

uint64_t ram_run(const struct ram *m, const struct ram_block *b, uint64_t page, bool *zero)
{
	uint64_t pages = b->length / STREAM_PAGE, end = page + RUN_MAX < pages ? page + RUN_MAX : pages, at = page + 1;

	(void)m;
	if (b->fd >= 0)
		return file_run(b, page * STREAM_PAGE, zero);
	*zero = b->index[page] == 0 || b->index[page] == ENTRY_FILL(0);
	while (at < end && *zero == (b->index[at] == 0 || b->index[at] == ENTRY_FILL(0)))
		at++;
	return at - page;
}

void ram_release(struct ram *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->blocks[i].index);
		if (m->blocks[i].fd >= 0)
			close(m->blocks[i].fd);
	}
	free(m->blocks);
	if (m->owned)
		close(m->fd);
	*m = (struct ram){ .fd = -1 };
}
