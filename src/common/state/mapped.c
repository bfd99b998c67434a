/* SPDX-License-Identifier: MIT */
#include "state/mapped.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/byteorder.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "state/ram_out.h"
#include "state/stream.h"
#include "state/wire.h"

enum {
	HEAD_MAX = 4096, /* of the configuration */
	PAGES = 256,     /* read and written at once */
};

static const char capabilities[] = "configuration/capabilities", mapped_ram[] = "mapped-ram";

struct block {
	char name[256];
	uint64_t length, bitmap, pages; /* bytes; offsets in the file */
};

struct mapped {
	int file;
	uint64_t size;    /* of the file */
	struct ram_out out;
	uint64_t at;      /* the next byte to be read */
	struct block *blocks;
	size_t n;
	bool no_bitmaps;
};

static int truncated(struct err *e)
{
	return err_set(e, "the file is cut");
}

static int take(struct mapped *m, void *bytes, size_t n, struct err *e)
{
	ssize_t done = fd_read_at(m->file, bytes, n, m->at);

	if (done < 0)
		return err_sys(e, errno, "cannot read it");
	m->at += n;
	return (size_t)done == n ? 0 : truncated(e);
}

static int take_u64(struct mapped *m, uint64_t *n, struct err *e)
{
	uint8_t bytes[8];

	if (take(m, bytes, sizeof(bytes), e) < 0)
		return -1;
	*n = be64_at(bytes);
	return 0;
}

/* --- the head ----------------------------------------------------------------------------------------------------- */

/* Whether the list of capabilities at `p` names mapped-ram; its length. Another one that changes the format is refused. */
static bool read_capabilities(const uint8_t *p, size_t room, size_t *length)
{
	bool found = false;
	uint32_t n;

	*length = 4;
	if (room < 4)
		return false;
	n = be32_at(p);
	for (uint32_t i = 0; i < n; i++) {
		if (room < *length + 1 || room < *length + 1 + p[*length])
			return false;
		if (p[*length] != sizeof(mapped_ram) - 1 || memcmp(p + *length + 1, mapped_ram, sizeof(mapped_ram) - 1) != 0)
			return false;
		found = true;
		*length += 1 + p[*length];
	}
	return found;
}

/*
 * The head of a stream at `p`: where its list of capabilities begins and ends, and its own length. Returns whether it has
 * one, with mapped-ram alone. That list is the only subsection, or the last.
 */
static bool read_head(const uint8_t *p, size_t n, size_t *from, size_t *to)
{
	size_t at = 8, length;

	if (n < 13 || memcmp(p, "QEVM\0\0\0\3", 8) != 0 || p[at] != SECTION_CONFIGURATION || be32_at(p + at + 1) > 255)
		return false;
	at += 5 + be32_at(p + at + 1);
	while (n > at + 2 && p[at] == SECTION_SUBSECTION && n > at + 2 + p[at + 1] + 4) {
		size_t name = p[at + 1];

		if (name == sizeof(capabilities) - 1 && memcmp(p + at + 2, capabilities, name) == 0) {
			*from = at;
			if (!read_capabilities(p + at + 2 + name + 4, n - (at + 2 + name + 4), &length))
				return false;
			*to = at + 2 + name + 4 + length;
			return true;
		}
		/* configuration/uuid, configuration/target-page-bits */
		at += 2 + name + 4 + (name == sizeof("configuration/uuid") - 1 ? 16 : 4);
	}
	return false;
}

bool mapped_is(int file, uint64_t base)
{
	uint8_t head[HEAD_MAX];
	ssize_t n = fd_read_at(file, head, sizeof(head), base);
	size_t from, to;

	return n > 0 && read_head(head, (size_t)n, &from, &to);
}

/* Passes the head on without the capabilities. */
static int pass_head(struct mapped *m, struct err *e)
{
	uint8_t head[HEAD_MAX];
	ssize_t n = fd_read_at(m->file, head, sizeof(head), m->at);
	size_t from, to;

	if (n < 0 || !read_head(head, (size_t)n, &from, &to))
		return err_set(e, "it is no file of mapped-ram");
	m->at += to;
	for (size_t done = 0; done < from; done += GATHER_HEAD_MAX)
		if (gather_head(m->out.out, head + done, from - done < GATHER_HEAD_MAX ? from - done : GATHER_HEAD_MAX, e) < 0)
			return -1;
	return 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static bool lies_in_file(const struct mapped *m, uint64_t offset, uint64_t length)
{
	return offset <= m->size && length <= m->size - offset;
}

/* Reads the entry of the next block, and goes on behind its pages. */
static int read_block(struct mapped *m, uint64_t *sum, struct err *e)
{
	struct block *b = &m->blocks[m->n];
	uint8_t name, rest[28];

	if (take(m, &name, 1, e) < 0 || take(m, b->name, name, e) < 0 || take_u64(m, &b->length, e) < 0 ||
	    take(m, rest, sizeof(rest), e) < 0)
		return -1;
	b->bitmap = be64_at(rest + 12);
	b->pages = be64_at(rest + 20);
	if (be32_at(rest) != 1 || be64_at(rest + 4) != STREAM_PAGE)
		return err_set(e, "RAM block '%s' has version %u and pages of %llu bytes", b->name, be32_at(rest),
			       (unsigned long long)be64_at(rest + 4));
	if (b->length > *sum || b->length % STREAM_PAGE || b->pages % STREAM_PAGE || b->pages < m->at)
		return err_set(e, "RAM block '%s' has impossible places", b->name);
	/* The last pages may be missing in a file that ends in a hole, but the devices come behind them. */
	if (!lies_in_file(m, b->pages, b->length) || !lies_in_file(m, b->bitmap, b->length / STREAM_PAGE / 8))
		return truncated(e);
	*sum -= b->length;
	m->at = b->pages + b->length;
	m->n++;
	return 0;
}

static int put_u64(struct mapped *m, uint64_t n, struct err *e)
{
	uint64_t be = htobe64(n);

	return gather_head(m->out.out, &be, sizeof(be), e);
}

static int put_name(struct mapped *m, const char *name, struct err *e)
{
	uint8_t length = (uint8_t)strlen(name);

	return gather_head(m->out.out, &length, 1, e) < 0 || gather_head(m->out.out, name, length, e) < 0 ? -1 : 0;
}

/* The START section of ram: passed on with the bare list of blocks. */
static int pass_blocks(struct mapped *m, struct err *e)
{
	uint8_t head[17], end[13];
	uint64_t word, sum;

	if (take(m, head, sizeof(head), e) < 0 || take_u64(m, &word, e) < 0)
		return -1;
	if (head[0] != SECTION_START || head[5] != 3 || memcmp(head + 6, "ram", 3) != 0 || (word & 0xfff) != RAM_MEM_SIZE)
		return err_set(e, "memory does not come first");
	m->out.section = be32_at(head + 1);
	m->blocks = memory_of(STREAM_MAX_BLOCKS, sizeof(*m->blocks));
	for (sum = word & ~(uint64_t)0xfff; sum;) {
		if (m->n == STREAM_MAX_BLOCKS)
			return err_set(e, "more than %d RAM blocks", STREAM_MAX_BLOCKS);
		if (read_block(m, &sum, e) < 0)
			return -1;
	}
	if (take(m, end, sizeof(end), e) < 0)
		return -1;
	if (be64_at(end) != RAM_EOS || end[8] != SECTION_FOOTER)
		return err_set(e, "the list of RAM blocks has no end");
	if (gather_head(m->out.out, head, sizeof(head), e) < 0 || put_u64(m, word, e) < 0)
		return -1;
	for (size_t i = 0; i < m->n; i++)
		if (put_name(m, m->blocks[i].name, e) < 0 || put_u64(m, m->blocks[i].length, e) < 0)
			return -1;
	return gather_head(m->out.out, end, sizeof(end), e);
}

/* --- pages -------------------------------------------------------------------------------------------------------- */

/* The bits of `n` pages from `page` on, which is a multiple of 8. */
static int read_bits(const struct mapped *m, const struct block *b, uint64_t page, size_t n, uint8_t *bits, struct err *e)
{
	size_t bytes = (n + 7) / 8;
	ssize_t done = fd_read_at(m->file, bits, bytes, b->bitmap + page / 8);

	if (done < 0)
		return err_sys(e, errno, "cannot read it");
	return (size_t)done == bytes ? 0 : truncated(e);
}

/* Whether no bitmap has a bit. */
static int look_at_bitmaps(struct mapped *m, struct err *e)
{
	uint8_t bits[4096];

	for (size_t i = 0; i < m->n; i++) {
		uint64_t pages = m->blocks[i].length / STREAM_PAGE;

		for (uint64_t page = 0; page < pages; page += 8 * sizeof(bits)) {
			size_t n = pages - page < 8 * sizeof(bits) ? (size_t)(pages - page) : 8 * sizeof(bits);

			if (read_bits(m, &m->blocks[i], page, n, bits, e) < 0)
				return -1;
			for (size_t k = 0; k < (n + 7) / 8; k++)
				if (bits[k])
					return 0;
		}
	}
	m->no_bitmaps = true;
	return 0;
}

/* `n` pages from `page` on, which are read into `buf`. */
static int put_pages(struct mapped *m, const struct block *b, uint64_t page, size_t n, uint8_t *buf, struct err *e)
{
	uint64_t offset = page * STREAM_PAGE;
	uint8_t bits[PAGES / 8];
	const struct ram_pages pages = {
		.fd = m->file,
		.at = b->pages + offset,
		.read = buf,
		.length = n * STREAM_PAGE,
		.bits = m->no_bitmaps ? NULL : bits,
	};
	ssize_t done = fd_read_at(m->file, buf, pages.length, pages.at);

	if (done != (ssize_t)pages.length)
		return done < 0 ? err_sys(e, errno, "cannot read it") : truncated(e);
	if (read_bits(m, b, page, n, bits, e) < 0)
		return -1;
	return ram_out_pages(&m->out, b->name, offset, &pages, e);
}

/* One section with all pages of all blocks. */
static int put_memory(struct mapped *m, struct err *e)
{
	_cleanup_free_ uint8_t *buf = memory_of(PAGES, STREAM_PAGE);

	if (look_at_bitmaps(m, e) < 0 || ram_out_begin(&m->out, e) < 0)
		return -1;
	for (size_t i = 0; i < m->n; i++) {
		uint64_t pages = m->blocks[i].length / STREAM_PAGE;

		for (uint64_t page = 0; page < pages; page += PAGES)
			if (put_pages(m, &m->blocks[i], page, pages - page < PAGES ? (size_t)(pages - page) : PAGES, buf, e) < 0)
				return -1;
	}
	return ram_out_end(&m->out, e);
}

int mapped_write(int file, uint64_t base, int to, struct err *e)
{
	struct mapped m = { .file = file, .at = base, .out.out = gather_open(to) };
	struct stat st;
	int result = -1;

	if (fstat(file, &st) < 0) {
		err_sys(e, errno, "cannot look at it");
	} else {
		m.size = (uint64_t)st.st_size;
		result = pass_head(&m, e) < 0 || pass_blocks(&m, e) < 0 || put_memory(&m, e) < 0 ? -1 : 0;
	}
	gather_close(m.out.out);
	free(m.blocks);
	if (result < 0)
		return -1;
	if (lseek(file, (off_t)m.at, SEEK_SET) < 0)
		return err_sys(e, errno, "cannot read it");
	return fd_pass_on(file, to, "the state", e);
}
