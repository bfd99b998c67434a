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
	uint64_t cell_pages;
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

/* Counts `n` pages of zeros on both sides. */
static void count_zeros(const struct comparing *c, uint64_t page, uint64_t n)
{
	while (c->d->cells && n > 0) {
		uint64_t room = c->cell_pages - page % c->cell_pages, here = n < room ? n : room;

		c->d->cells[page / c->cell_pages].zero += here;
		page += here;
		n -= here;
	}
}

/* Counts one page that was read, and of which so many bytes differ. */
static void count_page(const struct comparing *c, uint64_t page, const uint8_t *a, size_t bytes)
{
	struct cell *cell = c->d->cells ? &c->d->cells[page / c->cell_pages] : NULL;

	if (!cell)
		return;
	if (bytes)
		cell->changed++;
	else if (stream_page_is_zero(a))
		cell->zero++;
	else
		cell->same++;
}

/* The number of pages of a side. */
static uint64_t pages_of(const struct comparing *c, int side)
{
	return c->b[side] ? c->b[side]->length / STREAM_PAGE : 0;
}

static uint64_t most_pages(const struct comparing *c)
{
	uint64_t a = pages_of(c, 0), b = pages_of(c, 1);

	return a > b ? a : b;
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
	if (!c->d->cells && memcmp(c->buf[0], c->buf[1], n * STREAM_PAGE) == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *a = c->buf[0] + i * STREAM_PAGE, *b = c->buf[1] + i * STREAM_PAGE;
		size_t bytes = memcmp(a, b, STREAM_PAGE) != 0 ? bytes_that_differ(a, b) : 0;

		if (bytes)
			add_page(c->d, (page + i) * STREAM_PAGE, bytes);
		count_page(c, page + i, a, bytes);
	}
	return 0;
}

static int compare_block(const struct comparing *c, struct err *e)
{
	uint64_t pages = most_pages(c), page = 0;

	while (page < pages) {
		uint64_t zeros_a = zeros_of(c, 0, page), zeros_b = zeros_of(c, 1, page), both;
		size_t n;

		both = zeros_a < zeros_b ? zeros_a : zeros_b;
		if (both) {
			both = both < pages - page ? both : pages - page;
			count_zeros(c, page, both);
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
	if (c->cell_pages) {
		block->n_cells = (size_t)((most_pages(c) + c->cell_pages - 1) / c->cell_pages);
		block->cells = memory_of(block->n_cells, sizeof(*block->cells));
	}
	return compare_block(c, e);
}

/* The least power of two with which no block has more cells than are wanted. */
static uint64_t pages_of_cell(const struct saved *a, const struct saved *b, size_t most_cells)
{
	uint64_t most = 0, pages = 1;

	for (size_t i = 0; i < a->ram.n; i++)
		most = a->ram.blocks[i].length > most ? a->ram.blocks[i].length : most;
	for (size_t i = 0; i < b->ram.n; i++)
		most = b->ram.blocks[i].length > most ? b->ram.blocks[i].length : most;
	while (most / STREAM_PAGE > pages * most_cells)
		pages *= 2;
	return pages;
}

int diff_memory(const struct saved *a, const struct saved *b, struct memory_diff *d, struct err *e)
{
	_cleanup_free_ uint8_t *buf_a = memory_of(PAGES, STREAM_PAGE), *buf_b = memory_of(PAGES, STREAM_PAGE);
	struct comparing c = { .s = { a, b }, .buf = { buf_a, buf_b } };

	d->cell_pages = d->most_cells ? pages_of_cell(a, b, d->most_cells) : 0;
	c.cell_pages = d->cell_pages;
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
	for (size_t i = 0; i < d->n; i++) {
		free(d->blocks[i].ranges);
		free(d->blocks[i].cells);
	}
	free(d->blocks);
	*d = (struct memory_diff){ 0 };
}
