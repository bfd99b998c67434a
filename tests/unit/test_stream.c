/* SPDX-License-Identifier: MIT */
/* The reader of migration streams: stream.h. */
#include <stdio.h>

#include "base/err.h"
#include "state/stream.h"
#include "stream_builder.h"
#include "tap.h"

enum { RAM_PAGES = 8, VRAM_PAGES = 4 };

#define RAM_BYTES ((uint64_t)RAM_PAGES * BUILD_PAGE)
#define VRAM_BYTES ((uint64_t)VRAM_PAGES * BUILD_PAGE)

/* What the reader handed over. */
struct seen {
	const char *take;       /* the block to take, or NULL */
	uint8_t ram[RAM_PAGES][BUILD_PAGE];
	int pages, fills, wrong;
	struct build rest;
	size_t ram_begun_at;    /* length of `rest` at that time */
};

static int on_blocks(void *ctx, struct stream_block *blocks, size_t n, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	for (size_t i = 0; i < n; i++)
		blocks[i].take = seen->take && strcmp(blocks[i].name, seen->take) == 0;
	return 0;
}

static int on_page(void *ctx, size_t block, uint64_t offset, const uint8_t *data, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	if (block != 0 || offset >= RAM_BYTES) {
		seen->wrong++;
		return 0;
	}
	memcpy(seen->ram[offset / BUILD_PAGE], data, BUILD_PAGE);
	seen->pages++;
	return 0;
}

static int on_fill(void *ctx, size_t block, uint64_t offset, uint8_t byte, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	if (block != 0 || offset >= RAM_BYTES) {
		seen->wrong++;
		return 0;
	}
	memset(seen->ram[offset / BUILD_PAGE], byte, BUILD_PAGE);
	seen->fills++;
	return 0;
}

static int on_rest(void *ctx, const void *data, size_t len, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	build_bytes(&seen->rest, data, len);
	return 0;
}

static int on_ram_begun(void *ctx, uint32_t section, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	seen->wrong += section != BUILD_RAM_ID;
	seen->ram_begun_at = seen->rest.len;
	return 0;
}

static const struct stream_events events = {
	.blocks = on_blocks, .page = on_page, .fill = on_fill, .rest = on_rest, .ram_begun = on_ram_begun,
};

/* Feeds `len` bytes, `chunk` new ones at a time, from memory of the exact size, so that ASan sees a step beyond. */
static int feed(struct stream *s, const uint8_t *data, size_t len, size_t chunk, struct err *e)
{
	size_t taken = 0, given = 0;

	while (given < len) {
		size_t now = len - given < chunk ? len - given : chunk;
		uint8_t *exact;
		ssize_t n;

		given += now;
		exact = malloc(given - taken);
		memcpy(exact, data + taken, given - taken);
		n = stream_feed(s, exact, given - taken, e);
		free(exact);
		if (n < 0)
			return -1;
		taken += (size_t)n;
		if (given - taken >= STREAM_MAX_TOKEN)
			return err_set(e, "%zu bytes were left", given - taken);
	}
	return stream_end(s, len - taken, e);
}

static int read_stream(struct seen *seen, const struct stream_options *options, const uint8_t *data, size_t len,
		       size_t chunk, struct err *e)
{
	struct stream *s = stream_new(&events, seen, options);
	int result = feed(s, data, len, chunk, e);

	stream_free(s);
	return result;
}

/* A stream with everything that is allowed, as precopy makes it. */
static struct build good_stream(void)
{
	struct build b = { 0 };

	build_head(&b, "pc-i440fx-10.0");
	build_ram(&b, "pc.ram", RAM_BYTES, "vga.vram", VRAM_BYTES);
	build_part(&b, 2);
	build_page(&b, "pc.ram", 0, 1);
	build_page(&b, NULL, 1 * BUILD_PAGE, 2);
	build_page(&b, "vga.vram", 0, 100);
	build_fill(&b, NULL, 1 * BUILD_PAGE, 0);
	build_fill(&b, "pc.ram", 2 * BUILD_PAGE, 0);
	build_eos(&b);
	build_part(&b, 2);
	build_fill(&b, NULL, 3 * BUILD_PAGE, 0xaa);
	build_page(&b, "vga.vram", 2 * BUILD_PAGE, 101);
	build_page(&b, NULL, 3 * BUILD_PAGE, 102);
	build_page(&b, "pc.ram", 1 * BUILD_PAGE, 3);
	build_eos(&b);
	build_bytes(&b, "\x08\0\x0b\0\0", 5);
	build_part(&b, 3);
	build_page(&b, "pc.ram", 7 * BUILD_PAGE, 4);
	build_eos(&b);
	build_tail(&b);
	return b;
}

static void test_good(size_t chunk)
{
	struct build b = good_stream();
	struct stream_options options = { 0 };
	struct seen seen = { .take = "pc.ram" }, again = { .take = "pc.ram" }, all = { 0 };
	struct err e = { 0 };
	uint8_t page[BUILD_PAGE];

	ok(read_stream(&seen, &options, b.data, b.len, chunk, &e) == 0, "a whole stream, %zu bytes at a time %s", chunk,
	   e.text);
	ok(seen.pages == 4 && seen.fills == 2 && seen.wrong == 0, "its pages are handed over");
	build_content(page, 3);
	ok(memcmp(seen.ram[1], page, BUILD_PAGE) == 0, "of a page that comes twice the last one counts");
	build_content(page, 4);
	ok(memcmp(seen.ram[7], page, BUILD_PAGE) == 0 && seen.ram[3][99] == 0xaa && !seen.ram[2][0], "at their places");
	ok(read_stream(&again, &options, seen.rest.data, seen.rest.len, chunk, &e) == 0 && !again.pages && !again.fills,
	   "the rest is a stream without these pages %s", e.text);
	ok(again.rest.len == seen.rest.len && memcmp(again.rest.data, seen.rest.data, seen.rest.len) == 0,
	   "and stays as it is");
	ok(read_stream(&all, &options, b.data, b.len, chunk, &e) == 0 && all.rest.len == b.len &&
	   memcmp(all.rest.data, b.data, b.len) == 0, "where no block is taken, all bytes go through");
	ok(seen.ram_begun_at && seen.ram_begun_at == all.ram_begun_at, "the place behind the first section is told");
	build_free(&seen.rest);
	build_free(&again.rest);
	build_free(&all.rest);
	build_free(&b);
}

/* Pages that stay lose their predecessors, and name their block where they did not. */
static void test_renamed(void)
{
	struct build b = { 0 }, want = { 0 };
	struct stream_options options = { 0 };
	struct seen seen = { .take = "pc.ram" };
	struct err e = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		struct build *to = pass ? &want : &b;

		build_head(to, "pc");
		build_ram(to, "pc.ram", RAM_BYTES, "vga.vram", VRAM_BYTES);
		build_part(to, 2);
		build_page(to, "vga.vram", 0, 1);
		if (!pass)
			build_page(to, "pc.ram", 0, 2);
		build_fill(to, "vga.vram", 1 * BUILD_PAGE, 0);
		if (!pass)
			build_fill(to, "pc.ram", BUILD_PAGE, 0);
		build_eos(to);
		build_tail(to);
	}
	ok(read_stream(&seen, &options, b.data, b.len, 999, &e) == 0 && seen.rest.len == want.len &&
	   memcmp(seen.rest.data, want.data, want.len) == 0, "named pages stay as they are %s", e.text);
	build_free(&seen.rest);
	build_free(&b);
	build_free(&want);
}

/* A page may continue the block of a page before the insertion point: it must name it then. */
static void test_first_section_with_pages(void)
{
	struct build b = { 0 }, want = { 0 };
	struct stream_options options = { 0 };
	struct seen seen = { .take = NULL };
	struct err e = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		struct build *to = pass ? &want : &b;

		build_head(to, "pc");
		build_section(to, 1, BUILD_RAM_ID, "ram", 4);
		build_number(to, RAM_BYTES | BUILD_MEM_SIZE, 8);
		build_block(to, "pc.ram", RAM_BYTES);
		build_page(to, "pc.ram", 0, 1);
		build_eos(to);
		build_part(to, 3);
		build_page(to, pass ? "pc.ram" : NULL, BUILD_PAGE, 2);
		build_page(to, NULL, 2 * BUILD_PAGE, 2);
		build_eos(to);
		build_tail(to);
	}
	ok(read_stream(&seen, &options, b.data, b.len, 4097, &e) == 0 && seen.rest.len == want.len &&
	   memcmp(seen.rest.data, want.data, want.len) == 0, "a page behind the first section names its block %s",
	   e.text);
	build_free(&seen.rest);
	build_free(&b);
	build_free(&want);
}

/* As a background snapshot makes it: no END section. */
static void test_background(void)
{
	struct build b = { 0 };
	struct stream_options options = { 0 };
	struct seen seen = { .take = "pc.ram" };
	struct err e = { 0 };

	build_head(&b, "pc");
	build_ram(&b, "pc.ram", RAM_BYTES, NULL, 0);
	build_part(&b, 2);
	build_page(&b, "pc.ram", 0, 1);
	build_eos(&b);
	build_tail(&b);
	ok(read_stream(&seen, &options, b.data, b.len, 4096, &e) == 0 && seen.pages == 1,
	   "a stream without END section of memory %s", e.text);
	build_free(&seen.rest);
	build_free(&b);
}

/* What is left of a background snapshot whose pages are all kept elsewhere. */
static void test_pageless(void)
{
	struct build b = { 0 };
	struct stream_options options = { .pageless = true };
	struct seen seen = { .take = "pc.ram" };
	struct err e = { 0 };

	build_head(&b, "pc");
	build_ram(&b, "pc.ram", RAM_BYTES, NULL, 0);
	build_tail(&b);
	ok(read_stream(&seen, &options, b.data, b.len, 4096, &e) == 0, "a stream without pages, where that is right %s",
	   e.text);
	build_free(&seen.rest);
	build_free(&b);
}

static void test_undescribed(void)
{
	struct build b = { 0 };
	struct stream_options options = { 0 };
	struct seen seen = { .take = "pc.ram" };
	struct err e = { 0 };

	build_head(&b, "pc");
	build_ram(&b, "pc.ram", RAM_BYTES, NULL, 0);
	build_part(&b, 3);
	build_page(&b, "pc.ram", 0, 1);
	build_eos(&b);
	build_device(&b, 0, "timer");
	build_number(&b, 0, 1);
	ok(read_stream(&seen, &options, b.data, b.len, 4096, &e) < 0 && strstr(e.text, "without a description"),
	   "no description: %s", e.text);
	options.undescribed = true;
	ok(read_stream(&seen, &options, b.data, b.len, 4096, &e) == 0, "but where that is expected");
	ok(read_stream(&seen, &options, b.data, b.len - 1, 4096, &e) < 0, "and it must end properly: %s", e.text);
	build_free(&seen.rest);
	build_free(&b);
}

static void test_every_cut(void)
{
	struct build b = good_stream();
	struct stream_options options = { 0 };
	size_t accepted = 0;

	for (size_t len = 0; len < b.len; len++) {
		struct seen seen = { .take = "pc.ram" };
		struct err e = { 0 };

		if (read_stream(&seen, &options, b.data, len, len % 7 ? 100000 : 3000, &e) == 0 || !e.text[0])
			accepted++;
		build_free(&seen.rest);
	}
	ok(accepted == 0, "a stream cut at any of its %zu bytes is noticed (%zu were not)", b.len, accepted);
	build_free(&b);
}

static void test_trailing(void)
{
	struct build b = good_stream();
	struct stream_options options = { .undescribed = true };
	struct seen seen = { 0 };
	struct err e = { 0 };

	build_number(&b, 0x7d, 1);
	ok(read_stream(&seen, &options, b.data, b.len, 4096, &e) < 0, "a byte behind the end: %s", e.text);
	build_free(&seen.rest);
	build_free(&b);
}

/* Whether the stream fails with `words` in the message, given at once and byte by byte. Frees it. */
static void refused(struct build *b, const char *words)
{
	const struct stream_options options = { .limit = 1 << 30 };
	struct err e = { 0 };
	size_t failed = 0;

	for (int chunk = 0; chunk < 2; chunk++) {
		struct seen seen = { .take = "pc.ram" };

		if (read_stream(&seen, &options, b->data, b->len, chunk ? 1 : 1 << 20, &e) < 0)
			failed += strstr(e.text, words) != NULL && strstr(e.text, " byte ") != NULL;
		build_free(&seen.rest);
	}
	ok(failed == 2, "refused: %s%s%s", e.text, e.hint[0] ? "; hint: " : "", e.hint);
	build_free(b);
}

/* The beginning of a stream with a PART section of ram open. */
static struct build begun(void)
{
	struct build b = { 0 };

	build_head(&b, "pc");
	build_ram(&b, "pc.ram", RAM_BYTES, "vga.vram", VRAM_BYTES);
	build_part(&b, 2);
	return b;
}

static void test_bad_envelope(void)
{
	struct build b = { 0 };

	build_bytes(&b, "QEVN\0\0\0\3", 8);
	refused(&b, "begin with QEVM");
	build_bytes(&b, "QEVM\0\0\0\2", 8);
	refused(&b, "version 2");
	build_bytes(&b, "QEVM\0\0\0\3\7\xff\xff\xff\xff", 13);
	refused(&b, "machine type of 4294967295 bytes");
	build_head(&b, "pc");
	build_bytes(&b, "\5\x1a" "configuration/capabilities\0\0\0\1", 32);
	refused(&b, "capabilities");
	build_head(&b, "pc");
	build_bytes(&b, "\5\x1e" "configuration/target-page-bits\0\0\0\1\0\0\0\x10", 40);
	refused(&b, "2^16");
	build_head(&b, "pc");
	build_bytes(&b, "\5\x03" "abc\0\0\0\1", 9);
	refused(&b, "'abc'");
	build_head(&b, "pc");
	build_number(&b, 0x55, 1);
	refused(&b, "section type 0x55");
	build_head(&b, "pc");
	build_number(&b, 0, 1);
	refused(&b, "without memory");
	build_head(&b, "pc");
	build_bytes(&b, "\x08\0\1\0\0", 5);
	refused(&b, "command 1");
	build_head(&b, "pc");
	build_section(&b, 4, 9, "virtio-mem-early", 1);
	refused(&b, "'virtio-mem-early'");
	build_head(&b, "pc");
	build_section(&b, 1, 9, "vfio", 1);
	refused(&b, "'vfio'");
	build_head(&b, "pc");
	build_section(&b, 1, 9, "ram", 3);
	refused(&b, "version 3");
	build_head(&b, "pc");
	build_part(&b, 2);
	refused(&b, "never began");
}

static void test_bad_sections(void)
{
	struct build b = begun();

	build_number(&b, BUILD_EOS, 8);
	build_bytes(&b, "\1\0\0\0\0", 5);
	refused(&b, "without a footer");
	b = begun();
	build_number(&b, BUILD_EOS, 8);
	build_footer(&b, 77);
	refused(&b, "footer names section 77");
	b = begun();
	build_eos(&b);
	build_section(&b, 1, BUILD_RAM_ID, "ram", 4);
	refused(&b, "begins twice");
	b = begun();
	build_eos(&b);
	build_section(&b, 1, 9, "dirty-bitmap", 1);
	refused(&b, "'dirty-bitmap'");
	b = begun();
	build_eos(&b);
	build_bytes(&b, "\2\0\0\0\x63", 5);
	refused(&b, "section 99");
	b = begun();
	build_eos(&b);
	build_device(&b, 1, "timer");
	refused(&b, "before the pages of memory");
}

static void test_bad_pages(void)
{
	static const struct {
		uint64_t word;
		const char *text;
	} words[] = {
		{ 0x40 | BUILD_CONTINUE, "XBZRLE" },
		{ 0x80, "RDMA" },
		{ 0x100 | BUILD_CONTINUE, "compressed" },
		{ 0x200, "multifd" },
		{ 0x400, "unknown flags" },
		{ 0x01, "unknown flags" },
		{ 0x00, "unknown flags" },
		{ BUILD_PAGE_FLAG | BUILD_ZERO, "unknown flags" },
		{ 0x1000 | BUILD_EOS, "unknown flags" },
		{ BUILD_MEM_SIZE | 0x1000, "declared twice" },
		{ BUILD_PAGE_FLAG | BUILD_CONTINUE, "continues no RAM block" },
	};
	struct build b;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		b = begun();
		build_number(&b, words[i].word, 8);
		refused(&b, words[i].text);
	}
	b = begun();
	build_page(&b, "pc.ram", RAM_BYTES, 1);
	refused(&b, "which has 32768 bytes");
	b = begun();
	build_fill(&b, "pc.ram", 0xfffffffffffff000, 0);
	refused(&b, "page at 18446744073709547520");
	b = begun();
	build_page(&b, "pc.ra", 0, 1);
	refused(&b, "'pc.ra', which was not declared");
	b = begun();
	build_page(&b, "", 0, 1);
	refused(&b, "'', which was not declared");
}

static struct build ram_head(uint64_t sum)
{
	struct build b = { 0 };

	build_head(&b, "pc");
	build_section(&b, 1, BUILD_RAM_ID, "ram", 4);
	build_number(&b, sum | BUILD_MEM_SIZE, 8);
	return b;
}

static void test_bad_blocks(void)
{
	struct build b = ram_head(0xfffffffffffff000);

	refused(&b, "at most 1073741824 are plausible");
	b = ram_head(RAM_BYTES);
	build_block(&b, "pc.ram", 0xfffffffffffff000);
	refused(&b, "no part of the sum");
	b = ram_head(RAM_BYTES);
	build_block(&b, "pc.ram", 100);
	refused(&b, "no part of the sum");
	b = ram_head(2 * RAM_BYTES);
	build_block(&b, "pc.ram", RAM_BYTES);
	build_block(&b, "pc.ram", RAM_BYTES);
	refused(&b, "'pc.ram' appears twice");
	b = ram_head(RAM_BYTES);
	build_bytes(&b, "\3a\0b\0\0\0\0\0\0\x10\0", 12);
	refused(&b, "NUL byte");
	b = ram_head((uint64_t)(STREAM_MAX_BLOCKS + 1) * BUILD_PAGE);
	for (int i = 0; i <= STREAM_MAX_BLOCKS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "b%d", i);
		build_block(&b, name, BUILD_PAGE);
	}
	refused(&b, "more than 1024");
}

/* The description's text decides, and a lookalike in the devices does not. */
static void test_description(void)
{
	static const struct {
		const char *tail;
		size_t len;
		bool good;
	} tails[] = {
#define TAIL(s, good) { s, sizeof(s) - 1, good }
		TAIL("~\0\0\0\3\0\6\0\0\0\2{}", true),
		TAIL("~\0\0\0\3\0\6\0\0\0\3{ }", true),
		TAIL("~\0\0\0\3\0\6\0\0\0\3{]}", false),
		TAIL("~\0\0\0\3\0\6\0\0\0\2{]", true), /* brackets are counted, not matched */
		TAIL("~\0\0\0\3\0\6\0\0\0\1{", false),
		TAIL("~\0\0\0\3\0\6\0\0\0\0", false),
		TAIL("~\0\0\0\3\0\6\0\0\0\4{\"}\"", false),
		TAIL("~\0\0\0\3\0\6\0\0\0\4{\"\0}", false),
		TAIL("~\0\0\0\3\0\6\0\0\0\5{}}}}", false),
		TAIL("~\0\0\0\3\1\6\0\0\0\2{}", false),
		TAIL("}\0\0\0\3\0\6\0\0\0\2{}", false),
		TAIL("~\0\0\0\1\0\6\0\0\0\x20{\"not this one~\0\0\0\3\0\6\0\0\0\2{}", true),
		TAIL("~\0\0~\0\0\0\6\0\6\0\0\0\2{}", true),
#undef TAIL
	};
	struct stream_options options = { 0 };

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct build b = begun();
		struct seen seen = { 0 };
		struct err e = { 0 };

		build_page(&b, "pc.ram", 0, 1);
		build_eos(&b);
		build_section(&b, 4, 3, "cpu", 1);
		build_bytes(&b, tails[i].tail, tails[i].len);
		ok((read_stream(&seen, &options, b.data, b.len, 1, &e) == 0) == tails[i].good, "tail %zu is %s", i,
		   tails[i].good ? "good" : "not good");
		build_free(&seen.rest);
		build_free(&b);
	}
}

int main(void)
{
	test_good(1);
	test_good(13);
	test_good(1 << 20);
	test_renamed();
	test_first_section_with_pages();
	test_background();
	test_pageless();
	test_undescribed();
	test_every_cut();
	test_trailing();
	test_bad_envelope();
	test_bad_sections();
	test_bad_pages();
	test_bad_blocks();
	test_description();
	return done();
}
