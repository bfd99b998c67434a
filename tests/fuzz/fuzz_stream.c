/* SPDX-License-Identifier: MIT */
/*
 * The reader of migration streams, given any bytes. It must not crash, and what it makes of them must hold:
 *  - the same bytes in pieces give the same result;
 *  - the pages handed over lie inside their blocks;
 *  - the rest of a good stream is a good stream, with no page of the blocks that were taken.
 *
 * The first byte of the input chooses the blocks to take (its low bits) and the size of the pieces.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "state/stream.h"

struct seen {
	uint8_t take;
	bool again;
	const struct stream_block *blocks;
	size_t pages, fills;
	uint8_t *rest;
	size_t rest_len;
};

static int on_blocks(void *ctx, struct stream_block *blocks, size_t n, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	for (size_t i = 0; i < n; i++)
		blocks[i].take = seen->take >> i % 4 & 1;
	seen->blocks = blocks;
	return 0;
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

static int on_page(void *ctx, size_t block, uint64_t offset, const uint8_t *data, struct err *e)
{
	struct seen *seen = ctx;
	uint8_t copy[STREAM_PAGE];

	(void)e;
	memcpy(copy, data, sizeof(copy));
	check(seen->blocks[block].take && offset % STREAM_PAGE == 0 && offset < seen->blocks[block].length);
	seen->pages++;
	return 0;
}

static int on_fill(void *ctx, size_t block, uint64_t offset, uint8_t byte, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	(void)byte;
	check(seen->blocks[block].take && offset % STREAM_PAGE == 0 && offset < seen->blocks[block].length);
	seen->fills++;
	return 0;
}

static int on_rest(void *ctx, const void *data, size_t len, struct err *e)
{
	struct seen *seen = ctx;
	uint8_t *grown = realloc(seen->rest, seen->rest_len + len);

	(void)e;
	check(grown != NULL);
	memcpy(grown + seen->rest_len, data, len);
	seen->rest = grown;
	seen->rest_len += len;
	return 0;
}

static int on_ram_begun(void *ctx, uint32_t section, struct err *e)
{
	(void)ctx;
	(void)section;
	(void)e;
	return 0;
}

static int feed(struct seen *seen, const uint8_t *data, size_t size, size_t piece, struct err *e)
{
	const struct stream_events events = {
		.blocks = on_blocks, .page = on_page, .fill = on_fill, .rest = on_rest, .ram_begun = on_ram_begun,
	};
	const struct stream_options options = { .undescribed = seen->take & 0x80, .pageless = seen->again };
	struct stream *s = stream_new(&events, seen, &options);
	size_t taken = 0, given = 0;
	int result = 0;

	while (given < size && result == 0) {
		uint8_t *exact;
		ssize_t n;

		given += size - given < piece ? size - given : piece;
		exact = malloc(given - taken);
		memcpy(exact, data + taken, given - taken);
		n = stream_feed(s, exact, given - taken, e);
		free(exact);
		check(n <= (ssize_t)(given - taken));
		if (n < 0)
			result = -1;
		else
			taken += (size_t)n;
		check(n < 0 || given - taken < STREAM_MAX_TOKEN);
	}
	if (result == 0)
		result = stream_end(s, size - taken, e);
	check(result == 0 || e->text[0]);
	stream_free(s);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { 0 }, pieces = { 0 }, again = { .again = true };
	struct err e = { 0 }, e2 = { 0 };
	int good;

	if (!size)
		return 0;
	whole.take = pieces.take = again.take = data[0];
	good = feed(&whole, data + 1, size - 1, size, &e);
	check(feed(&pieces, data + 1, size - 1, 1 + (data[0] >> 4 & 7) * 61, &e2) == good);
	check(strcmp(e.text, e2.text) == 0 && whole.pages == pieces.pages && whole.fills == pieces.fills);
	if (good == 0) {
		check(whole.rest_len == pieces.rest_len);
		check(memcmp(whole.rest, pieces.rest, whole.rest_len) == 0);
		check(feed(&again, whole.rest, whole.rest_len, size, &e) == 0);
		check(again.pages == 0 && again.fills == 0 && again.rest_len == whole.rest_len);
		check(memcmp(again.rest, whole.rest, whole.rest_len) == 0);
	}
	free(whole.rest);
	free(pieces.rest);
	free(again.rest);
	return 0;
}
