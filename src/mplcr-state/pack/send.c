/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/zstd.h"
#include "pack/pack.h"

enum {
	CHUNK = 1 << 20,
	LEAST_HOLE = 64 << 10, /* bytes: zeros compress to nothing, maps do not */
};

struct sending {
	struct pack *p;
	struct tar_member *members; /* of each file */
	struct zstd_writer *zstd;
	struct tar_writer tar;
	int to;
	char *buf;                  /* of CHUNK bytes */
};

/* --- holes ------------------------------------------------------------------------------------------------------- */

/* Adds the bytes from `at` to `end`, and what is between them and the ones before where that is less than `hole`. */
static void add_extent(struct tar_member *m, uint64_t at, uint64_t end, uint64_t hole)
{
	struct tar_extent *last = m->n_data ? &m->data[m->n_data - 1] : NULL;

	if (at >= end)
		return;
	if (last && at - (last->at + last->length) < hole)
		last->length = end - last->at;
	else
		*array_add(m->data, m->n_data) = (struct tar_extent){ at, end - at };
}

/* What is stored of the file. Of holes so many count that no map is too long for the reader. */
static int find_data(int fd, uint64_t head, struct tar_member *m)
{
	uint64_t hole = m->size / (TAR_MAX_EXTENTS / 2), at = 0;

	if (hole < LEAST_HOLE)
		hole = LEAST_HOLE;
	add_extent(m, 0, head, hole);
	while (at < m->size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA), end = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);

		if (data < 0 && errno == ENXIO)
			return 0; /* a hole up to the end */
		if (end < 0)
			return -1;
		at = (uint64_t)end < m->size ? (uint64_t)end : m->size;
		add_extent(m, (uint64_t)data < head ? head : (uint64_t)data, at, hole);
	}
	return 0;
}

/* --- what is read ------------------------------------------------------------------------------------------------ */

/* Calls `put` with the bytes of the file as they are in the pack, and sums them up with the holes. */
static int read_file(struct sending *s, const struct pack_file *f, const struct tar_member *m, int fd,
		     int (*put)(struct sending *s, size_t n, struct err *e), char sum[DIGEST_HEX], struct err *e)
{
	struct digest *d = digest_new();
	uint64_t at = 0;
	int result = 0;

	for (size_t i = 0; result == 0 && i <= m->n_data; i++) {
		uint64_t from = i < m->n_data ? m->data[i].at : m->size;
		uint64_t end = i < m->n_data ? from + m->data[i].length : from;

		digest_zeros(d, from - at);
		for (at = from; result == 0 && at < end;) {
			size_t n = end - at < CHUNK ? (size_t)(end - at) : CHUNK;

			if (fd_read_at(fd, s->buf, n, at) != (ssize_t)n) {
				result = err_sys(e, errno, "cannot read '%s'", f->from);
				break;
			}
			image_patch_apply(&f->patch, s->buf, n, at);
			digest_update(d, s->buf, n);
			result = put(s, n, e);
			at += n;
		}
	}
	digest_hex(d, sum);
	digest_free(d);
	return result;
}

static int put_nowhere(struct sending *s, size_t n, struct err *e)
{
	(void)s;
	(void)n;
	(void)e;
	return 0;
}

static int put_member(struct sending *s, size_t n, struct err *e)
{
	return tar_write_data(&s->tar, s->buf, n, e) < 0 ? -1 : pack_progress(s->p, n, e);
}

/* Finds what is stored of the file, and its sum where that is not known yet. */
static int survey(struct sending *s, struct pack_file *f, struct tar_member *m, struct err *e)
{
	_cleanup_close_ int fd = pack_open(s->p, f, e);

	if (fd < 0)
		return -1;
	m->size = f->size;
	if (find_data(fd, image_patch_end(&f->patch), m) < 0)
		return err_sys(e, errno, "cannot read '%s'", f->from);
	return f->xxh3[0] ? 0 : read_file(s, f, m, fd, put_nowhere, f->xxh3, e);
}

/* --- what is written --------------------------------------------------------------------------------------------- */

static int put_zstd(void *ctx, const void *data, size_t n, struct err *e)
{
	struct sending *s = ctx;

	return zstd_writer_add(s->zstd, data, n, e);
}

static int put_out(void *ctx, const void *data, size_t n, struct err *e)
{
	struct sending *s = ctx;

	return fd_write_all(s->to, data, n) == 0 ? 0 : err_sys(e, errno, "cannot write the stream");
}

static int send_text(struct sending *s, const char *name, const char *text, struct err *e)
{
	struct tar_extent whole = { 0, strlen(text) };
	struct tar_member m = { .name = text_of("%s", name), .size = whole.length, .data = &whole, .n_data = 1 };
	int result = tar_write_member(&s->tar, &m, e);

	free(m.name);
	return result < 0 ? -1 : tar_write_data(&s->tar, text, strlen(text), e);
}

static int send_file(struct sending *s, const struct pack_file *f, struct tar_member *m, const char *prefix,
		     struct err *e)
{
	_cleanup_close_ int fd = pack_open(s->p, f, e);
	char sum[DIGEST_HEX];

	if (fd < 0)
		return -1;
	m->name = text_of("%s/%s", prefix, f->name);
	m->mtime_ns = f->mtime_ns;
	if (tar_write_member(&s->tar, m, e) < 0 || read_file(s, f, m, fd, put_member, sum, e) < 0)
		return -1;
	return strcmp(sum, f->xxh3) == 0 ? 0 : pack_damaged(f, sum, e);
}

/* All files, the manifest first; malloc'd. */
static char *list_of(const struct sending *s)
{
	struct list l = { 0 };
	char *text;

	for (size_t i = 0; i < s->p->n; i++) {
		const struct pack_file *f = &s->p->files[i];
		struct list_file *listed = array_add(l.files, l.n);

		listed->name = text_copy(f->name);
		listed->size = f->size;
		listed->stored = f->text ? f->size : tar_member_stored(&s->members[i - 1]);
		strcpy(listed->xxh3, f->xxh3);
	}
	text = list_text(&l);
	list_release(&l);
	return text;
}

static int send_all(struct sending *s, struct err *e)
{
	const struct pack_file *files = s->p->files;
	_cleanup_free_ char *prefix = pack_name(s->p), *list = list_of(s);
	_cleanup_free_ char *list_name = text_of("%s/" PACK_LIST, prefix);
	_cleanup_free_ char *manifest_name = text_of("%s/%s", prefix, files[0].name);

	if (send_text(s, list_name, list, e) < 0 || send_text(s, manifest_name, files[0].text, e) < 0)
		return -1;
	for (size_t i = 1; i < s->p->n; i++)
		if (send_file(s, &files[i], &s->members[i - 1], prefix, e) < 0)
			return -1;
	return tar_write_end(&s->tar, e) < 0 ? -1 : zstd_writer_finish(s->zstd, e);
}

int pack_send(struct pack *p, int level, int to, struct err *e)
{
	size_t n = p->n;
	struct sending s = { .p = p, .members = memory_of(n, sizeof(*s.members)), .to = to };
	int result = 0;

	s.tar = (struct tar_writer){ .put = put_zstd, .ctx = &s };
	s.buf = memory_of(CHUNK, 1);
	s.zstd = zstd_writer_open(level, put_out, &s, e);
	if (!s.zstd)
		result = -1;
	for (size_t i = 0; result == 0 && i < n; i++)
		result = survey(&s, &p->files[i], &s.members[i], e);
	if (result == 0 && (pack_finish(p, e) < 0 || send_all(&s, e) < 0))
		result = -1;
	for (size_t i = 0; i < n; i++)
		tar_member_release(&s.members[i]);
	zstd_writer_free(s.zstd);
	free(s.members);
	free(s.buf);
	return result;
}
