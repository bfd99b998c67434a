/* SPDX-License-Identifier: MIT */
/* Sums and compressed files: digest.h and zstdio.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "tap.h"
#include "base/zstd.h"

enum { MIB = 1 << 20 };

static int temp_file(void)
{
	char name[] = "/tmp/test-digest-XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0)
		abort();
	unlink(name);
	return fd;
}

static void test_sums(void)
{
	static uint8_t zeros[3 * MIB + 5];
	struct digest *d = digest_new();
	char a[DIGEST_HEX], b[DIGEST_HEX];

	digest_hex(d, a);
	ok(strcmp(a, "99aa06d3014798d86001c324468d497f") == 0, "the sum of nothing is that of XXH3-128: %s", a);
	digest_update(d, "abc", 3);
	digest_hex(d, a);
	digest_bytes("abc", 3, b);
	ok(strcmp(a, b) == 0 && strcmp(a, "06b05ab6733a618578af5f94892f3950") == 0, "of three bytes: %s", a);
	digest_free(d);
	d = digest_new();
	digest_zeros(d, sizeof(zeros));
	digest_hex(d, a);
	digest_bytes(zeros, sizeof(zeros), b);
	ok(strcmp(a, b) == 0, "of zeros that are only counted");
	digest_free(d);
	digest_free(NULL);
}

static void test_files(void)
{
	static uint8_t content[5 * MIB + 77];
	char a[DIGEST_HEX], b[DIGEST_HEX];
	struct err e = { 0 };
	int fd = temp_file();

	ok(digest_fd(fd, a, &e) == 0 && strcmp(a, "99aa06d3014798d86001c324468d497f") == 0, "of an empty file");
	for (size_t i = MIB; i < MIB + 300000; i++)
		content[i] = (uint8_t)(i * 7 + i / 999);
	ok(ftruncate(fd, sizeof(content)) == 0 && pwrite(fd, content + MIB, 300000, MIB) == 300000, "a sparse file");
	digest_bytes(content, sizeof(content), b);
	ok(digest_fd(fd, a, &e) == 0 && strcmp(a, b) == 0, "its holes are zeros");
	ok(digest_fd(fd, a, &e) == 0 && strcmp(a, b) == 0, "and a second time");
	close(fd);
	ok(digest_fd(-1, a, &e) < 0 && strstr(e.text, "cannot read"), "no file: %s", e.text);
}

static int put(void *ctx, const void *data, size_t len, struct err *e)
{
	if (fd_write_all(*(int *)ctx, data, len) < 0)
		return err_set(e, "cannot write");
	return 0;
}

/* Reads all, `room` bytes at a time. Returns their number, or -1. */
static ssize_t unpack(int fd, uint8_t *to, size_t max, size_t room, struct err *e)
{
	struct zstd_reader *r;
	size_t used = 0;
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	r = zstd_reader_open(fd, e);
	while ((n = zstd_reader_read(r, to + used, room < max - used ? room : max - used, e)) > 0)
		used += (size_t)n;
	zstd_reader_free(r);
	return n < 0 ? -1 : (ssize_t)used;
}

static int pack(int fd, const uint8_t *content, size_t size, int level, struct err *e)
{
	struct zstd_writer *w = zstd_writer_open(level, put, &fd, e);
	int result = 0;

	for (size_t at = 0; at < size && result == 0; at += 100000)
		result = zstd_writer_add(w, content + at, size - at < 100000 ? size - at : 100000, e);
	if (result == 0)
		result = zstd_writer_finish(w, e);
	zstd_writer_free(w);
	return result;
}

static void test_zstd(void)
{
	enum { SIZE = 3 * MIB + 11 };
	uint8_t *content = malloc(SIZE), *back = malloc(SIZE + MIB + 1);
	struct err e = { 0 };
	int fd = temp_file();
	uint8_t byte;
	off_t size;
	int cuts = 0;

	for (size_t i = 0; i < SIZE; i++)
		content[i] = (uint8_t)(i % 4096 < 3000 ? rand() : 0);
	ok(pack(fd, content, SIZE, 1, &e) == 0 && pack(fd, content, MIB, 19, &e) == 0, "two frames are written");
	size = lseek(fd, 0, SEEK_END);
	ok(unpack(fd, back, SIZE + MIB + 1, 12345, &e) == SIZE + MIB && memcmp(back, content, SIZE) == 0 &&
	   memcmp(back + SIZE, content, MIB) == 0, "and read again %s", e.text);
	ok(pread(fd, &byte, 1, 1000000) == 1, "a byte in the middle");
	byte ^= 1;
	ok(pwrite(fd, &byte, 1, 1000000) == 1 && unpack(fd, back, SIZE + MIB + 1, SIZE, &e) < 0 &&
	   strstr(e.text, "damaged"), "is damaged: %s", e.text);
	byte ^= 1;
	ok(pwrite(fd, &byte, 1, 1000000) == 1, "and mended");
	for (off_t cut = size - 1; cut > size - 40; cut--) {
		if (ftruncate(fd, cut) == 0 && unpack(fd, back, SIZE + MIB + 1, SIZE, &e) < 0 && strstr(e.text, "cut"))
			cuts++;
	}
	ok(cuts == 39, "a cut is noticed: %s", e.text);
	close(fd);
	free(content);
	free(back);
}

int main(void)
{
	test_sums();
	test_files();
	test_zstd();
	return done();
}
