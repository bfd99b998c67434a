/* SPDX-License-Identifier: MIT */
/* state/ram.h: the memory of a stream, read again at any page, from the stream itself, a copy, and files of blocks. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "state/ram.h"
#include "stream_builder.h"
#include "tap.h"

enum { RAM_PAGES = 16, BASE = 100 };

#define RAM_BYTES ((uint64_t)RAM_PAGES * BUILD_PAGE)

static int temporary(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		abort();
	return fd;
}

/* Pages 1 and 2 have content, 2 twice; 3 had, and is zeros now; 4 is of one value; the rest never came. */
static int make_stream(bool pages)
{
	static const uint8_t before[BASE];
	struct build b = { 0 };
	int fd = temporary();

	build_bytes(&b, before, sizeof(before));
	build_head(&b, "pc");
	build_ram(&b, "pc.ram", RAM_BYTES, "rom", BUILD_PAGE);
	build_part(&b, 2);
	build_page(&b, "rom", 0, 77);
	if (pages) {
		build_page(&b, "pc.ram", 1 * BUILD_PAGE, 1);
		build_page(&b, NULL, 2 * BUILD_PAGE, 9);
		build_page(&b, NULL, 3 * BUILD_PAGE, 3);
		build_page(&b, NULL, 2 * BUILD_PAGE, 2);
		build_fill(&b, NULL, 3 * BUILD_PAGE, 0);
		build_fill(&b, NULL, 4 * BUILD_PAGE, 0xaa);
	}
	build_eos(&b);
	build_part(&b, 3);
	build_eos(&b);
	build_tail(&b);
	if (fd_write_all(fd, b.data, b.len) < 0)
		abort();
	build_free(&b);
	return fd;
}

/* Pages 0 to 5 at once, as they should be. */
static bool has_pages(const struct ram *m)
{
	static uint8_t want[6 * BUILD_PAGE], have[6 * BUILD_PAGE];
	const struct ram_block *b = ram_find(m, "pc.ram");
	struct err e = { 0 };

	build_content(want + 1 * BUILD_PAGE, 1);
	build_content(want + 2 * BUILD_PAGE, 2);
	memset(want + 4 * BUILD_PAGE, 0xaa, BUILD_PAGE);
	return b && ram_pages(m, b, 0, 6, have, &e) == 0 && memcmp(want, have, sizeof(want)) == 0;
}

static void check_runs(const struct ram *m, const char *how)
{
	const struct ram_block *b = ram_find(m, "pc.ram");
	bool zero;

	ok(ram_run(m, b, 0, &zero) == 1 && zero && ram_run(m, b, 1, &zero) == 2 && !zero && ram_run(m, b, 5, &zero) == 11 &&
		   zero,
	   "%s: runs of pages", how);
}

static void check_stream(bool seekable, const char *how)
{
	_cleanup_close_ int fd = make_stream(true);
	const struct ram_source from = { .fd = fd, .base = BASE, .seekable = seekable, .index = true };
	struct ram m;
	struct ram_tail t;
	struct err e = { 0 };

	lseek(fd, BASE, SEEK_SET);
	ok(ram_read(&m, &from, &t, &e) == 0 && m.n == 2 && t.description > 0 && t.n > t.description &&
		   strcmp(t.machine, "pc") == 0,
	   "%s: read %s", how, e.text);
	ok(m.blocks[0].stored == 3 && m.blocks[0].zero == 1, "%s: each page counts once", how);
	ok(has_pages(&m), "%s: the pages as they came last", how);
	check_runs(&m, how);
	ok(!ram_find(&m, "vga"), "%s: no other block", how);
	ram_release(&m);
	free(t.bytes);
}

static void check_file(void)
{
	_cleanup_close_ int fd = make_stream(false);
	const struct ram_source from = { .fd = fd, .base = BASE, .seekable = true, .index = true, .pageless = true };
	uint8_t page[BUILD_PAGE];
	struct ram m;
	struct ram_tail t;
	struct err e = { 0 };
	int file = temporary();

	for (uint32_t n = 1; n <= 4; n++) {
		build_content(page, n);
		if (n == 4)
			memset(page, 0xaa, sizeof(page));
		if (n != 3 && pwrite(file, page, sizeof(page), n * BUILD_PAGE) != sizeof(page))
			abort();
	}
	lseek(fd, BASE, SEEK_SET);
	if (ftruncate(file, RAM_BYTES) < 0 || ram_read(&m, &from, &t, &e) < 0)
		abort();
	ok(ram_attach(&m, "pc.ram", dup(file), &e) == 0 && has_pages(&m), "file: pages %s", e.text);
	ok(ram_attach(&m, "pc.ram", dup(file), &e) < 0, "file: %s", e.text);
	ok(ram_attach(&m, "rom", dup(file), &e) < 0, "file: %s", e.text);
	ok(ram_attach(&m, "vga", dup(file), &e) < 0, "file: %s", e.text);
	ram_release(&m);
	free(t.bytes);
	close(file);
}

int main(void)
{
	check_stream(true, "stream");
	check_stream(false, "copy");
	check_file();
	return done();
}
