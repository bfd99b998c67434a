/* SPDX-License-Identifier: MIT */
/* state/delta.h: what of a file has to be written; and base/prefetch.h, which reads it ahead. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/prefetch.h"
#include "state/delta.h"
#include "tap.h"

enum { PAGE = 4096, PAGES = 4096, HOLE = 4000 }; /* pages from HOLE on are a hole */

static uint8_t memory[PAGES][PAGE]; /* what the stream brings */
static bool write_it[DELTA_RUN];

/* A nameless file with what `memory` has now. */
static int make_file(void)
{
	char name[] = "/tmp/test-delta-XXXXXX";
	int fd = mkstemp(name);

	for (size_t page = 0; page < PAGES; page++)
		memset(memory[page], page < HOLE ? (int)(page % 255) + 1 : 0, PAGE);
	if (fd < 0 || unlink(name) < 0 || ftruncate(fd, sizeof(memory)) < 0 ||
	    pwrite(fd, memory, HOLE * PAGE, 0) != HOLE * PAGE)
		abort();
	return fd;
}

static void change(size_t page)
{
	memset(memory[page], 0xee, PAGE);
}

/* Compares `n` pages from that one on. Returns how many are to be written. */
static size_t compare(struct delta *d, size_t page, size_t n)
{
	struct iovec pages[DELTA_RUN];
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		pages[i] = (struct iovec){ memory[page + i], PAGE };
		delta_content(d, (page + i) * PAGE);
	}
	if (delta_compare(d, pages, n, page * PAGE, write_it) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		count += write_it[i];
	return count;
}

static void test_units(void)
{
	int fd = make_file();
	struct delta *d = delta_new(fd);
	struct delta_count c;

	ok(delta_length(d) == sizeof(memory), "the length of the file");
	ok(compare(d, 0, DELTA_RUN) == 0, "nothing differs");
	change(5);
	ok(compare(d, 0, DELTA_RUN) == 1 && write_it[5], "a page that differs is written alone");
	change(32);
	change(47);
	ok(compare(d, 16, 64) == 16 && write_it[16] && write_it[31] && !write_it[15] && !write_it[32],
	   "with the unit, where two of it differ");
	for (size_t i = 48; i < 64; i++)
		change(i);
	ok(compare(d, 40, 20) == 20 - 7 && write_it[7] && !write_it[6], "a run has a part of a unit");
	c = delta_counted(d);
	ok(c.changed == 1 + 2 + 12 && c.zeroed == 0 && c.same == PAGES - c.changed, "pages are counted once: %zu",
	   (size_t)c.changed);
	delta_free(d);
	close(fd);
}

/* Two pages of each unit: what is written in excess stays an eighth, beyond what is always allowed. */
static void test_excess(void)
{
	int fd = make_file();
	struct delta *d = delta_new(fd);
	size_t written = 0, changed = 0;

	for (size_t page = 0; page < HOLE; page += 8, changed++)
		change(page);
	for (size_t page = 0; page + DELTA_RUN <= HOLE; page += DELTA_RUN)
		written += compare(d, page, DELTA_RUN);
	ok(written > changed * 9 / 10 && written <= changed * 9 / 8 + 64, "%zu pages are written for %zu that differ",
	   written, changed);
	delta_free(d);
	close(fd);
}

static void test_zeros(void)
{
	int fd = make_file();
	struct delta *d = delta_new(fd);
	struct delta_count c;
	uint64_t offset = 0;

	ok(!delta_zeros(d, HOLE * PAGE), "a hole stays one");
	ok(delta_zeros(d, 7 * PAGE), "data becomes one");
	ok(!delta_zeros(d, 7 * PAGE), "once");
	for (size_t page = 0; page < HOLE; page++)
		if (page != 7 && page != 100 && page != 3999)
			delta_content(d, page * PAGE);
	ok(delta_unseen(d, &offset) && offset == 100 * PAGE, "a page that the stream never had");
	offset += PAGE;
	ok(delta_unseen(d, &offset) && offset == 3999 * PAGE, "another");
	offset += PAGE;
	ok(!delta_unseen(d, &offset), "a hole need not be seen");
	change(7);
	ok(compare(d, 7, 1) == 1, "content after zeros");
	c = delta_counted(d);
	ok(c.changed == 1 && c.zeroed == 0 && c.same == PAGES - 1, "makes the page a changed one");
	delta_free(d);
	close(fd);
}

static void test_short(void)
{
	struct iovec page = { memory[0], PAGE };
	int fd = make_file();
	struct delta *d = delta_new(fd);

	ok(ftruncate(fd, 10 * PAGE) == 0 && delta_compare(d, &page, 1, 20 * PAGE, write_it) < 0,
	   "a file that became shorter is an error");
	delta_free(d);
	close(fd);
}

static void test_prefetch(void)
{
	int fd = make_file();
	struct prefetch *p = prefetch_begin(fd);

	close(fd);
	prefetch_wait(p, clock_in_ms(60000));
	prefetch_end(p);
	prefetch_wait(NULL, 0);
	prefetch_end(NULL);
	ok(p != NULL, "a file is read ahead, and may be closed meanwhile");
	fd = make_file();
	prefetch_end(prefetch_begin(fd));
	close(fd);
	ok(true, "it ends when it is told to");
}

int main(void)
{
	test_units();
	test_excess();
	test_zeros();
	test_short();
	test_prefetch();
	return done();
}
