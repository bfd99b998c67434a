/* SPDX-License-Identifier: MIT */
/* tar.h: what is written is read again, holes and long names too. What else is read: tests/fuzz/fuzz_pack.c. */
#include "base/tar.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tap.h"

static char archive[65536];
static size_t written, seen;

static int put(void *ctx, const void *data, size_t n, struct err *e)
{
	(void)ctx;
	(void)e;
	memcpy(archive + written, data, n);
	written += n;
	return 0;
}

/* A few bytes at a time. */
static ssize_t get(void *ctx, void *buf, size_t room, struct err *e)
{
	size_t n = room < 100 ? room : 100;

	(void)ctx;
	(void)e;
	n = n < written - seen ? n : written - seen;
	memcpy(buf, archive + seen, n);
	seen += n;
	return (ssize_t)n;
}

static void write_one(struct tar_writer *w, const struct tar_member *m)
{
	static const char data[1024] = "data";
	struct err e;

	ok(tar_write_member(w, m, &e) == 0 && tar_write_data(w, data, (size_t)tar_member_stored(m), &e) == 0, "written");
}

static void read_one(struct tar_reader *r, const struct tar_member *expected)
{
	char data[2048];
	struct tar_member m;
	struct err e = { 0 };
	size_t n = 0;
	ssize_t got;

	ok(tar_read_member(r, &m, &e) == 1 && strcmp(m.name, expected->name) == 0, "its name");
	ok(m.size == expected->size && m.mtime_ns == expected->mtime_ns, "its size and time");
	ok(m.n_data == expected->n_data &&
		   (!m.n_data || memcmp(m.data, expected->data, m.n_data * sizeof(*m.data)) == 0),
	   "what is stored of it");
	while ((got = tar_read_data(r, data + n, sizeof(data) - n, &e)) > 0)
		n += (size_t)got;
	ok(got == 0 && n == tar_member_stored(&m) && (n < 4 || memcmp(data, "data", 4) == 0), "its data");
	tar_member_release(&m);
}

int main(void)
{
	struct tar_extent whole = { 0, 700 }, parts[] = { { 4096, 100 }, { 1ull << 40, 600 } };
	char *name = memory_of(200, 1);
	struct tar_writer w = { .put = put };
	struct tar_reader r = { .get = get };
	struct tar_member more;
	struct err e = { 0 };
	const struct tar_member members[] = {
		{ "a/plain", 700, 1000000000123456789, &whole, 1 },
		{ "empty", 0, 1, NULL, 0 },
		{ "hole", 1ull << 42, 5, NULL, 0 },
		{ memset(name, 'n', 199), 1ull << 41, 7, parts, 2 },
		{ name, 700, 7, &whole, 1 },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		write_one(&w, &members[i]);
	ok(tar_write_end(&w, &e) == 0 && written % 512 == 0, "ended");
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		read_one(&r, &members[i]);
	ok(tar_read_member(&r, &more, &e) == 0, "the end");
	seen = 0;
	archive[3] ^= 1;
	r = (struct tar_reader){ .get = get };
	ok(tar_read_member(&r, &more, &e) == -1 && strstr(e.text, "damaged"), "a header with another sum");
	tar_member_release(&more);
	free(name);
	return done();
}
