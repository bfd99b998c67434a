/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/tar.h"
#include "base/tar_format.h"
#include "base/text.h"

void tar_member_release(struct tar_member *m)
{
	free(m->name);
	free(m->data);
	*m = (struct tar_member){ 0 };
}

uint64_t tar_member_stored(const struct tar_member *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->n_data; i++)
		sum += m->data[i].length;
	return sum;
}

static bool has_holes(const struct tar_member *m)
{
	return tar_member_stored(m) != m->size;
}

static int write_zeros(struct tar_writer *w, size_t n, struct err *e)
{
	static const char zeros[2 * TAR_BLOCK];

	return n ? w->put(w->ctx, zeros, n, e) : 0;
}

static int write_header(struct tar_writer *w, const char *name, char type, uint64_t size, int64_t mtime_ns, struct err *e)
{
	struct tar_header h = { .type = type, .magic = "ustar", .version = "00" };
	int64_t seconds = mtime_ns / NS_PER_S;

	memcpy(h.name, name, strnlen(name, sizeof(h.name)));
	snprintf(h.mode, sizeof(h.mode), "%07o", 0600);
	snprintf(h.uid, sizeof(h.uid), "%07o", 0);
	snprintf(h.gid, sizeof(h.gid), "%07o", 0);
	snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)(size <= TAR_MAX_OCTAL ? size : 0));
	snprintf(h.mtime, sizeof(h.mtime), "%011llo",
		 (unsigned long long)(seconds < 0 || seconds > TAR_MAX_OCTAL ? 0 : seconds));
	snprintf(h.sum, sizeof(h.sum), "%06o", tar_sum(&h));
	h.sum[7] = ' ';
	return w->put(w->ctx, &h, sizeof(h), e);
}

/* --- extended headers -------------------------------------------------------------------------------------------- */

/* Adds "LENGTH KEY=VALUE\n" to the malloc'd text, where the length counts itself. */
static void add_record(char **records, const char *key, const char *fmt, ...)
{
	_cleanup_free_ char *value = NULL, *before = *records;
	size_t rest, length;
	va_list ap;

	va_start(ap, fmt);
	value = text_of_args(fmt, ap);
	va_end(ap);
	rest = strlen(key) + strlen(value) + 3;
	length = rest + 1;
	while (length != rest + (size_t)snprintf(NULL, 0, "%zu", length))
		length++;
	*records = text_of("%s%zu %s=%s\n", before, length, key, value);
}

static char *records_of(const struct tar_member *m, uint64_t size)
{
	int64_t ns = m->mtime_ns > 0 ? m->mtime_ns : 0;
	char *records = text_copy("");

	add_record(&records, "mtime", "%lld.%09lld", (long long)(ns / NS_PER_S), (long long)(ns % NS_PER_S));
	if (size > TAR_MAX_OCTAL)
		add_record(&records, "size", "%llu", (unsigned long long)size);
	if (!has_holes(m)) {
		if (strlen(m->name) > sizeof(((struct tar_header *)NULL)->name))
			add_record(&records, "path", "%s", m->name);
		return records;
	}
	add_record(&records, TAR_MAJOR, "1");
	add_record(&records, TAR_MINOR, "0");
	add_record(&records, TAR_NAME, "%s", m->name);
	add_record(&records, TAR_SIZE, "%llu", (unsigned long long)m->size);
	return records;
}

/* The map, in whole blocks; malloc'd. */
static char *map_of(const struct tar_member *m, size_t *size)
{
	char *map = NULL;
	FILE *f = open_memstream(&map, size);

	if (!f)
		abort();
	fprintf(f, "%zu\n", m->n_data + 1);
	for (size_t i = 0; i < m->n_data; i++)
		fprintf(f, "%llu\n%llu\n", (unsigned long long)m->data[i].at, (unsigned long long)m->data[i].length);
	fprintf(f, "%llu\n0\n", (unsigned long long)m->size); /* which tells readers where the file ends */
	for (size_t n = tar_pad((uint64_t)ftello(f)); n > 0; n--)
		fputc('\0', f);
	fclose(f);
	return map;
}

int tar_write_member(struct tar_writer *w, const struct tar_member *m, struct err *e)
{
	size_t map_size = 0;
	_cleanup_free_ char *map = has_holes(m) ? map_of(m, &map_size) : NULL;
	uint64_t size = map_size + tar_member_stored(m);
	_cleanup_free_ char *records = records_of(m, size), *extended = text_of("PaxHeaders/%s", m->name);
	_cleanup_free_ char *name = text_of("%s%s", map ? "GNUSparseFile.0/" : "", m->name);

	if (write_zeros(w, w->pad, e) < 0 ||
	    write_header(w, extended, TAR_EXTENDED, strlen(records), m->mtime_ns, e) < 0 ||
	    w->put(w->ctx, records, strlen(records), e) < 0 || write_zeros(w, tar_pad(strlen(records)), e) < 0 ||
	    write_header(w, name, TAR_FILE, size, m->mtime_ns, e) < 0)
		return -1;
	w->pad = tar_pad(size);
	return map ? w->put(w->ctx, map, map_size, e) : 0;
}

int tar_write_data(struct tar_writer *w, const void *data, size_t n, struct err *e)
{
	return w->put(w->ctx, data, n, e);
}

int tar_write_end(struct tar_writer *w, struct err *e)
{
	return write_zeros(w, w->pad, e) < 0 ? -1 : write_zeros(w, 2 * TAR_BLOCK, e);
}
