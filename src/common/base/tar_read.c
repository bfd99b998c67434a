/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/tar.h"
#include "base/tar_format.h"
#include "base/text.h"

enum { MAX_RECORDS = 64 << 10 /* bytes of an extended header */ };

/* What the headers of a member say. */
struct headers {
	char type;
	char *name;          /* the one that counts so far */
	uint64_t size;       /* in the archive */
	int64_t mtime_ns;
	bool has_size, has_mtime, has_name; /* by an extended header, whose word counts */
	bool sparse, has_sparse_name, has_real_size;
	unsigned versions;   /* bits of the format's version that were told, and are right */
	uint64_t real_size;
};

/* --- bytes ------------------------------------------------------------------------------------------------------- */

/* Returns how many bytes there were: less than `n` at the end. */
static ssize_t get_all(struct tar_reader *r, void *buf, size_t n, struct err *e)
{
	size_t used = 0;

	while (used < n) {
		ssize_t got = r->get(r->ctx, (char *)buf + used, n - used, e);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

static int get_whole(struct tar_reader *r, void *buf, size_t n, struct err *e)
{
	ssize_t got = get_all(r, buf, n, e);

	if (got < 0)
		return -1;
	return (size_t)got == n ? 0 : err_set(e, "it is cut");
}

/* Nothing but zeros, with which tapes are filled, may follow. */
static int read_end(struct tar_reader *r, struct err *e)
{
	char block[TAR_BLOCK];
	ssize_t n = TAR_BLOCK;

	if (get_whole(r, block, sizeof(block), e) < 0)
		return -1;
	while (memory_is_zero(block, (size_t)n)) {
		n = get_all(r, block, sizeof(block), e);
		if (n <= 0)
			return (int)n;
	}
	return err_set(e, "something follows the end of the archive");
}

/* --- numbers ----------------------------------------------------------------------------------------------------- */

/* A field of octal digits, perhaps with spaces around them, up to a NUL or a space. */
static int read_octal(const char *field, size_t n, uint64_t *value)
{
	size_t i = 0;

	while (i < n && field[i] == ' ')
		i++;
	*value = 0;
	for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
		*value = *value * 8 + (uint64_t)(field[i] - '0');
	return i == n || field[i] == '\0' || field[i] == ' ' ? 0 : -1;
}

/* Adds a decimal digit to a number of at most 63 bits. */
static int add_digit(uint64_t *value, char digit)
{
	if (digit < '0' || digit > '9' || *value > ((uint64_t)INT64_MAX - 9) / 10)
		return -1;
	*value = *value * 10 + (uint64_t)(digit - '0');
	return 0;
}

static int read_decimal(const char *text, uint64_t *value)
{
	*value = 0;
	if (!*text)
		return -1;
	for (; *text; text++)
		if (add_digit(value, *text) < 0)
			return -1;
	return 0;
}

/* "SECONDS[.FRACTION]". */
static int read_time(const char *text, int64_t *ns)
{
	int64_t unit = NS_PER_S / 10;
	uint64_t seconds = 0;

	for (; *text && *text != '.'; text++)
		if (add_digit(&seconds, *text) < 0)
			return -1;
	if (seconds >= (uint64_t)(INT64_MAX / NS_PER_S))
		return -1;
	*ns = (int64_t)seconds * NS_PER_S;
	for (text += *text == '.'; *text; text++, unit /= 10) {
		if (*text < '0' || *text > '9')
			return -1;
		*ns += (*text - '0') * unit;
	}
	return 0;
}

/* --- extended headers -------------------------------------------------------------------------------------------- */

static void take_name(struct headers *h, const char *name)
{
	free(h->name);
	h->name = text_copy(name);
	h->has_name = true;
}

/* A record that tells of holes. Returns 0, or -1 where it is not one of format 1.0. */
static int take_sparse(struct headers *h, const char *key, const char *value)
{
	h->sparse = true;
	if (strcmp(key, TAR_MAJOR) == 0 && strcmp(value, "1") == 0) {
		h->versions |= 1;
	} else if (strcmp(key, TAR_MINOR) == 0 && strcmp(value, "0") == 0) {
		h->versions |= 2;
	} else if (strcmp(key, TAR_NAME) == 0) {
		h->has_sparse_name = true;
		take_name(h, value);
	} else if (strcmp(key, TAR_SIZE) == 0) {
		h->has_real_size = true;
		return read_decimal(value, &h->real_size);
	} else {
		return -1;
	}
	return 0;
}

/* Returns 0, or -1 where the value is wrong. Keys that tell of nothing that is wanted here count for nothing. */
static int take_record(struct headers *h, const char *key, const char *value)
{
	if (strcmp(key, "size") == 0) {
		h->has_size = true;
		return read_decimal(value, &h->size);
	}
	if (strcmp(key, "mtime") == 0) {
		h->has_mtime = true;
		return read_time(value, &h->mtime_ns);
	}
	if (strcmp(key, "path") == 0 && !h->has_sparse_name)
		take_name(h, value);
	return strncmp(key, "GNU.sparse.", 11) == 0 ? take_sparse(h, key, value) : 0;
}

/* The record at `text`, "LENGTH KEY=VALUE\n" in at most `n` bytes. Returns its length, or 0 where it is none. */
static size_t read_record(struct headers *h, char *text, size_t n)
{
	size_t length = 0, i = 0;
	char *equals;

	for (; i < n && text[i] >= '0' && text[i] <= '9' && length <= MAX_RECORDS; i++)
		length = length * 10 + (size_t)(text[i] - '0');
	if (i == 0 || i >= n || text[i] != ' ' || length > n || length < i + 3 || text[length - 1] != '\n')
		return 0;
	text[length - 1] = '\0';
	equals = strchr(text + i + 1, '=');
	if (!equals || strlen(equals) != (size_t)(text + length - 1 - equals))
		return 0;
	*equals = '\0';
	return take_record(h, text + i + 1, equals + 1) == 0 ? length : 0;
}

static int read_records(struct tar_reader *r, struct headers *h, struct err *e)
{
	char *records;
	size_t n = (size_t)h->size, at = 0;
	int result;

	if (h->size > MAX_RECORDS)
		return err_set(e, "an extended header has %llu bytes", (unsigned long long)h->size);
	h->size = 0;
	records = memory_of(n + TAR_BLOCK, 1);
	result = get_whole(r, records, n + tar_pad(n), e);
	while (result == 0 && at < n) {
		size_t length = read_record(h, records + at, n - at);

		at += length;
		if (!length)
			result = err_set(e, "an extended header is not understood");
	}
	free(records);
	return result;
}

/* --- headers ----------------------------------------------------------------------------------------------------- */

/* Adds what a header says where no extended one has said it. Returns 0 or -1. */
static int parse_header(const struct tar_header *t, struct headers *h, struct err *e)
{
	uint64_t sum, size, mtime;

	if (memcmp(t->magic, "ustar", sizeof(t->magic)) != 0 || read_octal(t->sum, sizeof(t->sum), &sum) < 0 ||
	    sum != tar_sum(t))
		return err_set(e, "it is no archive of tar, or damaged");
	if (read_octal(t->size, sizeof(t->size), &size) < 0 || read_octal(t->mtime, sizeof(t->mtime), &mtime) < 0)
		return err_set(e, "a header has a number that is none");
	h->type = t->type;
	if (!h->has_size)
		h->size = size;
	if (!h->has_mtime)
		h->mtime_ns = (int64_t)mtime * NS_PER_S;
	if (h->has_name)
		return 0;
	free(h->name);
	h->name = t->prefix[0] ? text_of("%.155s/%.100s", t->prefix, t->name) : text_of("%.100s", t->name);
	return 0;
}

/* The headers of a member. Returns 1, 0 at the end, or -1. */
static int read_headers(struct tar_reader *r, struct headers *h, struct err *e)
{
	struct tar_header t;

	if (get_whole(r, &t, sizeof(t), e) < 0)
		return -1;
	if (memory_is_zero(&t, sizeof(t)))
		return read_end(r, e);
	if (parse_header(&t, h, e) < 0)
		return -1;
	if (h->type != TAR_EXTENDED)
		return 1;
	if (read_records(r, h, e) < 0 || get_whole(r, &t, sizeof(t), e) < 0)
		return -1;
	return parse_header(&t, h, e) < 0 ? -1 : 1;
}

/* --- maps -------------------------------------------------------------------------------------------------------- */

/* The map as it is read: a block at a time. */
struct map {
	struct tar_reader *r;
	char block[TAR_BLOCK];
	size_t at;
};

static int next_line(struct map *m, uint64_t *number, struct err *e)
{
	for (*number = 0;; m->at++) {
		if (m->at == TAR_BLOCK) {
			if (m->r->left < TAR_BLOCK)
				return err_set(e, "the map of a file with holes is cut");
			if (get_whole(m->r, m->block, TAR_BLOCK, e) < 0)
				return -1;
			m->r->left -= TAR_BLOCK;
			m->at = 0;
		}
		if (m->block[m->at] == '\n')
			break;
		if (add_digit(number, m->block[m->at]) < 0)
			return err_set(e, "the map of a file with holes has a number that is none");
	}
	m->at++;
	return 0;
}

static int add_extent(struct tar_member *m, uint64_t at, uint64_t length, struct err *e)
{
	const struct tar_extent *last = m->n_data ? &m->data[m->n_data - 1] : NULL;

	if (at > m->size || length > m->size - at || (last && at < last->at + last->length))
		return err_set(e, "the map of '%s' leads out of the file, or backward", m->name);
	if (length)
		*array_add(m->data, m->n_data) = (struct tar_extent){ at, length };
	return 0;
}

/* Reads the map, and that it tells of as many bytes as there are. */
static int read_map(struct tar_reader *r, struct tar_member *m, struct err *e)
{
	struct map map = { .r = r, .at = TAR_BLOCK };
	uint64_t n, at, length;

	if (next_line(&map, &n, e) < 0)
		return -1;
	if (n > TAR_MAX_EXTENTS)
		return err_set(e, "the map of '%s' has %llu pieces", m->name, (unsigned long long)n);
	for (; n > 0; n--)
		if (next_line(&map, &at, e) < 0 || next_line(&map, &length, e) < 0 || add_extent(m, at, length, e) < 0)
			return -1;
	if (tar_member_stored(m) != r->left)
		return err_set(e, "the map of '%s' does not fit what is stored of it", m->name);
	return 0;
}

/* --- members ----------------------------------------------------------------------------------------------------- */

static int make_member(struct tar_reader *r, struct headers *h, struct tar_member *m, struct err *e)
{
	m->name = h->name;
	m->mtime_ns = h->mtime_ns;
	h->name = NULL;
	if (h->type != TAR_FILE)
		return err_set(e, "member '%s' is not a regular file", m->name);
	m->size = h->sparse ? h->real_size : h->size;
	r->left = h->size;
	r->pad = tar_pad(h->size);
	if (!h->sparse)
		return m->size ? add_extent(m, 0, m->size, e) : 0;
	if (h->versions != 3 || !h->has_real_size || !h->has_sparse_name)
		return err_set(e, "member '%s' has holes in a form that is not known", m->name);
	return read_map(r, m, e);
}

int tar_read_member(struct tar_reader *r, struct tar_member *m, struct err *e)
{
	struct headers h = { 0 };
	char pad[TAR_BLOCK];
	int result;

	*m = (struct tar_member){ 0 };
	if (r->left)
		return err_set(e, "a member was not read to its end");
	if (get_whole(r, pad, r->pad, e) < 0)
		return -1;
	r->pad = 0;
	result = read_headers(r, &h, e);
	if (result == 1 && make_member(r, &h, m, e) < 0)
		result = -1;
	free(h.name);
	return result;
}

ssize_t tar_read_data(struct tar_reader *r, void *buf, size_t room, struct err *e)
{
	ssize_t n;

	if (!r->left)
		return 0;
	n = r->get(r->ctx, buf, room < r->left ? room : (size_t)r->left, e);
	if (n == 0)
		return err_set(e, "it is cut");
	if (n > 0)
		r->left -= (uint64_t)n;
	return n;
}
