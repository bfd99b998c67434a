/* SPDX-License-Identifier: MIT */
#include "diff/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/memory.h"

enum { PAGES = 256 }; /* read at once */

struct comparing {
	const struct saved *s[2];
	const struct ram_block *b[2]; /* NULL: it has no such block */
	struct block_diff *d;
	uint8_t *buf[2];
};

static size_t bytes_that_differ(const uint8_t *a, const uint8_t *b)
{
	size_t n = 0;

	for (size_t i = 0; i < STREAM_PAGE; i++)
		n += a[i] != b[i];
	return n;
}

static void add_page(struct block_diff *d, uint64_t offset, size_t bytes)
{
	struct range *last = d->n ? &d->ranges[d->n - 1] : NULL;

	if (!last || last->to != offset) {
		last = array_add(d->ranges, d->n);
		last->from = offset;
	}
	last->to = offset + STREAM_PAGE;
	last->bytes += bytes;
	d->pages++;
	d->bytes += bytes;
}

/* The number of pages of a side. */
static uint64_t pages_of(const struct comparing *c, int side)
{
	return c->b[side] ? c->b[side]->length / STREAM_PAGE : 0;
}

/* How far `side` is zeros for sure from `page` on; 0: it may hold something. */
static uint64_t zeros_of(const struct comparing *c, int side, uint64_t page)
{
	bool zero;
	uint64_t run;

	if (page >= pages_of(c, side))
		return UINT64_MAX;
	run = ram_run(&c->s[side]->ram, c->b[side], page, &zero);
	return zero ? run : 0;
}

static int read_side(const struct comparing *c, int side, uint64_t page, size_t n, struct err *e)
{
	uint64_t have = pages_of(c, side) > page ? pages_of(c, side) - page : 0;
	size_t there = have < n ? (size_t)have : n;

	memset(c->buf[side] + there * STREAM_PAGE, 0, (n - there) * STREAM_PAGE);
	return there ? ram_pages(&c->s[side]->ram, c->b[side], page, there, c->buf[side], e) : 0;
}

static int compare_pages(const struct comparing *c, uint64_t page, size_t n, struct err *e)
{
	if (read_side(c, 0, page, n, e) < 0 || read_side(c, 1, page, n, e) < 0)
		return -1;
	if (memcmp(c->buf[0], c->buf[1], n * STREAM_PAGE) == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		size_t bytes = bytes_that_differ(c->buf[0] + i * STREAM_PAGE, c->buf[1] + i * STREAM_PAGE);

		if (bytes)
			add_page(c->d, (page + i) * STREAM_PAGE, bytes);
	}
	return 0;
}

static int compare_block(const struct comparing *c, struct err *e)
{
	uint64_t a = pages_of(c, 0), b = pages_of(c, 1), pages = a > b ? a : b, page = 0;

	while (page < pages) {
		uint64_t zeros_a = zeros_of(c, 0, page), zeros_b = zeros_of(c, 1, page), both;
		size_t n;

		both = zeros_a < zeros_b ? zeros_a : zeros_b;
		if (both) {
			page += both;
			continue;
		}
		n = pages - page < PAGES ? (size_t)(pages - page) : PAGES;
		if (compare_pages(c, page, n, e) < 0)
			return -1;
		page += n;
	}
	return 0;
}

static int add_block(struct comparing *c, struct memory_diff *d, const char *name, struct err *e)
{
	struct block_diff *block = array_add(d->blocks, d->n);

	c->d = block;
	block->name = name;
	for (int side = 0; side < 2; side++) {
		c->b[side] = ram_find(&c->s[side]->ram, name);
		block->sizes[side] = c->b[side] ? c->b[side]->length : 0;
	}
	return compare_block(c, e);
}

int diff_memory(const struct saved *a, const struct saved *b, struct memory_diff *d, struct err *e)
{
	_cleanup_free_ uint8_t *buf_a = memory_of(PAGES, STREAM_PAGE), *buf_b = memory_of(PAGES, STREAM_PAGE);
	struct comparing c = { .s = { a, b }, .buf = { buf_a, buf_b } };

	for (size_t i = 0; i < a->ram.n; i++)
		if (add_block(&c, d, a->ram.blocks[i].name, e) < 0)
			return -1;
	for (size_t i = 0; i < b->ram.n; i++)
		if (!ram_find(&a->ram, b->ram.blocks[i].name) && add_block(&c, d, b->ram.blocks[i].name, e) < 0)
			return -1;
	return 0;
}

void diff_memory_release(struct memory_diff *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->blocks[i].ranges);
	free(d->blocks);
	*d = (struct memory_diff){ 0 };
}
