/* SPDX-License-Identifier: MIT */
/* The pages of a private mapping that are no longer the file's: restore.h, overwritten.c. On this process itself. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mplcr-restore/restore.h"
#include "tap.h"

enum { PAGE = 4096, PAGES = 20000 };

static char path[] = "/tmp/mplcr over.written.XXXXXX";

static void check_nothing(void)
{
	struct overwritten o = { 0 };
	struct err e = { 0 };

	ok(overwritten_read(&o, getpid(), path, &e) < 0 && strstr(e.text, "has not mapped"), "%s", e.text);
	ok(overwritten_read(&o, getpid(), "/tmp/mplcr over", &e) < 0, "nor a file whose name begins so");
	ok(overwritten_read(&o, 0, path, &e) < 0, "no such process: %s", e.text);
	overwritten_release(&o);
}

static void check_pages(uint8_t *memory)
{
	static const struct stream_range expected[] = { { 0, PAGE }, { 3 * PAGE, 5 * PAGE },
		{ (PAGES - 1ULL) * PAGE, (uint64_t)PAGES * PAGE } };
	struct overwritten o = { 0 };
	struct err e = { 0 };
	volatile uint8_t seen = memory[7 * PAGE];

	(void)seen;
	ok(overwritten_read(&o, getpid(), path, &e) == 0 && o.n == 0, "pages that were only read are the file's %s",
	   e.text);
	memory[1] = memory[3 * PAGE] = memory[5 * PAGE - 1] = memory[(PAGES - 1) * PAGE] = 1;
	ok(overwritten_read(&o, getpid(), path, &e) == 0 && o.n == 3 &&
	   memcmp(o.ranges, expected, sizeof(expected)) == 0, "those that were written are told, as ranges");
	overwritten_release(&o);
}

/* A mapping that begins in the middle of the file. */
static void check_offset(int fd)
{
	uint8_t *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 10 * PAGE);
	struct overwritten o = { 0 };
	struct err e = { 0 };

	if (memory == MAP_FAILED)
		abort();
	memory[PAGE] = 1;
	ok(overwritten_read(&o, getpid(), path, &e) == 0 && o.n == 1 && o.ranges[0].from == 11 * PAGE &&
	   o.ranges[0].to == 12 * PAGE, "they are told by where they are in the file %s", e.text);
	overwritten_release(&o);
	munmap(memory, 2 * PAGE);
}

int main(void)
{
	int fd = mkstemp(path);
	uint8_t *memory;

	if (fd < 0 || ftruncate(fd, (off_t)PAGES * PAGE) < 0)
		abort();
	check_nothing();
	check_offset(fd);
	memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		abort();
	check_pages(memory);
	munmap(memory, (size_t)PAGES * PAGE);
	close(fd);
	unlink(path);
	return done();
}
