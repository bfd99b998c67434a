/* SPDX-License-Identifier: MIT */
/* lines.h: lines of any length and any bytes. */
#include "base/lines.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "tap.h"

static int file_of(const char *bytes, size_t size)
{
	int fd = memfd_create("lines", MFD_CLOEXEC);

	if (fd < 0 || fd_write_all(fd, bytes, size) < 0 || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

static bool next_is(struct lines *l, const char *expected, size_t length)
{
	struct line line;
	struct err e;

	return lines_next(l, &line, &e) == 1 && line.length == length && memcmp(line.start, expected, length) == 0 &&
	       !line.cut;
}

static bool at_end(struct lines *l)
{
	struct line line;
	struct err e;

	return lines_next(l, &line, &e) == 0;
}

static void plain(void)
{
	static const char bytes[] = "one\r\n\r\n\nt\0w\ro\nlast";
	int fd = file_of(bytes, sizeof(bytes) - 1);
	struct lines *l = lines_new(fd);

	ok(next_is(l, "one", 3), "a carriage return before the line feed is taken away");
	ok(next_is(l, "", 0) && next_is(l, "", 0), "empty lines");
	ok(next_is(l, "t\0w\ro", 5), "NULs and carriage returns within stay");
	ok(next_is(l, "last", 4) && at_end(l) && at_end(l), "a last line without line feed");
	lines_free(l);
	close(fd);
}

/* A line of `n` bytes, then one that is short. */
static void length(size_t n)
{
	char *bytes = memory_of(n + 3, 1);
	struct line line = { 0 };
	struct lines *l;
	struct err e;
	int fd;

	memset(bytes, 'x', n);
	memcpy(bytes + n, "\ny\n", 3);
	fd = file_of(bytes, n + 3);
	l = lines_new(fd);
	ok(lines_next(l, &line, &e) == 1 && line.cut == (n > LINES_MAX) &&
		   line.length == (n > LINES_MAX ? LINES_MAX : n) && memcmp(line.start, bytes, line.length) == 0,
	   "a line of %zu bytes", n);
	ok(next_is(l, "y", 1) && at_end(l), "and the one after it");
	lines_free(l);
	close(fd);
	free(bytes);
}

/* Many lines, so that some lie across the end of the buffer. */
static void many(void)
{
	size_t n = 100000, size = n * 37, good = 0;
	char *bytes = memory_of(size + 1, 1), expected[64];
	struct lines *l;
	int fd;

	for (size_t i = 0; i < n; i++)
		sprintf(bytes + i * 37, "%036zu\n", i);
	fd = file_of(bytes, size);
	l = lines_new(fd);
	for (size_t i = 0; i < n; i++) {
		snprintf(expected, sizeof(expected), "%036zu", i);
		good += next_is(l, expected, 36);
	}
	ok(good == n && at_end(l), "%zu lines across the buffer's end", n);
	lines_free(l);
	close(fd);
	free(bytes);
}

static bool has_z(void *ctx, const char *bytes, size_t size)
{
	*(size_t *)ctx += 1;
	return memchr(bytes, 'z', size) != NULL;
}

static void look_ahead(void)
{
	int fd = file_of("a\nz\n", 4), none = file_of("a\nb\n", 4);
	struct lines *l = lines_new(fd);
	size_t asked = 0;
	struct err e;

	ok(lines_peek(l, has_z, &asked, &e) == 0 && asked >= 2, "a look ahead ends when it has seen enough");
	ok(next_is(l, "a", 1) && next_is(l, "z", 1) && at_end(l), "and hands out nothing");
	lines_free(l);
	l = lines_new(none);
	ok(lines_peek(l, has_z, &asked, &e) == 0 && next_is(l, "a", 1), "a look ahead ends with the file");
	lines_free(l);
	close(fd);
	close(none);
}

static void unreadable(void)
{
	struct lines *l = lines_new(-1);
	struct line line;
	struct err e = { 0 };

	ok(lines_next(l, &line, &e) == -1 && strstr(e.text, "cannot read"), "no descriptor: %s", e.text);
	lines_free(l);
}

int main(void)
{
	plain();
	length(LINES_MAX);
	length(LINES_MAX + 1);
	length(3 << 20);
	many();
	look_ahead();
	unreadable();
	return done();
}
