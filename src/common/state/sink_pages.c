/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "state/sink_pages_impl.h"

/* Writes pages that follow each other. */
static int write_pages(const struct sink_out *out, struct iovec *iov, size_t n, uint64_t at, struct err *e)
{
	while (n) {
		ssize_t done = pwritev(out->fd, iov, (int)n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return sink_write_failed(out, e);
		at += (uint64_t)done;
		for (; n && (size_t)done >= iov->iov_len; iov++, n--)
			done -= (ssize_t)iov->iov_len;
		if (n) {
			iov->iov_base = (uint8_t *)iov->iov_base + done;
			iov->iov_len -= (size_t)done;
		}
	}
	return 0;
}

/* Of these pages, writes those that have to be. */
static int write_changed(struct ram_file *f, const struct sink_out *out, struct iovec *iov, size_t n, uint64_t at,
			 struct err *e)
{
	bool write[DELTA_RUN];
	size_t next;

	if (delta_compare(f->delta, iov, n, at, write) < 0)
		return err_sys(e, errno, "cannot read '%s'", out->file.name);
	for (size_t i = 0; i < n; i = next) {
		for (next = i + 1; next < n && write[next] == write[i];)
			next++;
		if (write[i] && write_pages(out, iov + i, next - i, at + i * STREAM_PAGE, e) < 0)
			return -1;
	}
	return 0;
}

static int flush_run(struct sink_pages *s, struct err *e)
{
	size_t n = s->n_run;
	const struct sink_out *out;

	s->n_run = 0;
	if (!n)
		return 0;
	out = &s->base.outs[s->run_file->out];
	return s->run_file->delta ? write_changed(s->run_file, out, s->run, n, s->run_start, e)
				  : write_pages(out, s->run, n, s->run_start, e);
}

static int write_zeros(const struct sink_out *out, uint64_t at, uint64_t end, struct err *e)
{
	static const uint8_t zeros[64 << 10];

	while (at < end) {
		size_t n = end - at < sizeof(zeros) ? (size_t)(end - at) : sizeof(zeros);

		if (fd_write_at(out->fd, zeros, n, at) < 0)
			return sink_write_failed(out, e);
		at += n;
	}
	return 0;
}

static int flush_hole(struct sink_pages *s, struct err *e)
{
	const struct sink_out *out;
	uint64_t length = s->hole_end - s->hole_start;

	if (!s->hole_file)
		return 0;
	out = &s->base.outs[s->hole_file->out];
	s->hole_file = NULL;
	while (fallocate(out->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->hole_start,
			 (off_t)length) < 0) {
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			return write_zeros(out, s->hole_start, s->hole_end, e);
		if (errno != EINTR)
			return sink_write_failed(out, e);
	}
	return 0;
}

static uint64_t group_of(const struct sink_pages *s, uint64_t offset)
{
	return offset / STREAM_PAGE >> s->group_bits;
}

/* There is content for the page. */
static void note_content(const struct sink_pages *s, struct ram_file *f, uint64_t offset)
{
	uint64_t group = group_of(s, offset);

	if (f->delta)
		delta_content(f->delta, offset);
	else
		f->written[group / 64] |= 1ull << group % 64;
}

/* There are zeros for the page. Returns whether the file may have anything else. */
static bool note_zeros(const struct sink_pages *s, struct ram_file *f, uint64_t offset)
{
	uint64_t group = group_of(s, offset), bit = 1ull << group % 64;

	if (f->delta)
		return delta_zeros(f->delta, offset);
	if (!(f->written[group / 64] & bit))
		return false;
	if (!s->group_bits)
		f->written[group / 64] &= ~bit;
	return true;
}

static int add_content(struct sink_pages *s, struct ram_file *f, uint64_t offset, const uint8_t *data, struct err *e)
{
	if (s->hole_file == f && offset >= s->hole_start && offset < s->hole_end && flush_hole(s, e) < 0)
		return -1;
	if (s->n_run && (s->n_run == RUN_PAGES || s->run_file != f || s->run_end != offset) && flush_run(s, e) < 0)
		return -1;
	if (!s->n_run) {
		s->run_file = f;
		s->run_start = offset;
	}
	s->run[s->n_run++] = (struct iovec){ (void *)(uintptr_t)data, STREAM_PAGE };
	s->run_end = offset + STREAM_PAGE;
	note_content(s, f, offset);
	return 0;
}

int sink_page_zero(struct sink_pages *s, struct ram_file *f, uint64_t offset, struct err *e)
{
	if (s->n_run && s->run_file == f && offset >= s->run_start && offset < s->run_end && flush_run(s, e) < 0)
		return -1;
	if (!note_zeros(s, f, offset))
		return 0;
	if (s->hole_file && (s->hole_file != f || s->hole_end != offset) && flush_hole(s, e) < 0)
		return -1;
	if (!s->hole_file) {
		s->hole_file = f;
		s->hole_start = offset;
	}
	s->hole_end = offset + STREAM_PAGE;
	return 0;
}

static int on_page(void *ctx, size_t block, uint64_t offset, const uint8_t *data, struct err *e)
{
	struct sink_pages *s = ctx;

	return add_content(s, &s->files[block], offset, data, e);
}

static int on_fill(void *ctx, size_t block, uint64_t offset, uint8_t byte, struct err *e)
{
	struct sink_pages *s = ctx;

	if (!byte)
		return sink_page_zero(s, &s->files[block], offset, e);
	memset(s->fills[byte], byte, STREAM_PAGE);
	return add_content(s, &s->files[block], offset, s->fills[byte], e);
}

static int flush_devices(struct sink_pages *s, struct err *e)
{
	size_t len = s->n_devices;

	s->n_devices = 0;
	return sink_append(&s->base.outs[0], s->devices, len, e);
}

static int on_rest(void *ctx, const void *data, size_t len, struct err *e)
{
	struct sink_pages *s = ctx;

	if (len > sizeof(s->devices) - s->n_devices && flush_devices(s, e) < 0)
		return -1;
	if (len >= sizeof(s->devices))
		return sink_append(&s->base.outs[0], data, len, e);
	memcpy(s->devices + s->n_devices, data, len);
	s->n_devices += len;
	return 0;
}

static bool is_file_name(const char *name)
{
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++)
		if (*name == '/' || (unsigned char)*name < ' ' || *name == 0x7f)
			return false;
	return true;
}

int sink_ram_name(const char *block, char name[RAM_NAME], struct err *e)
{
	if (!is_file_name(block))
		return err_set(e, "RAM block '%s' of the stream cannot be stored: its name is not a valid file name",
			       block);
	snprintf(name, RAM_NAME, STATE_RAM_DIR "/%s", block);
	return 0;
}

int sink_ram_dir(struct sink_pages *s, struct err *e)
{
	if (!s->made_dir && mkdirat(s->base.dirfd, STATE_RAM_DIR, 0700) < 0)
		return err_sys(e, errno, "cannot create '" STATE_RAM_DIR "'");
	s->made_dir = true;
	return 0;
}

static int create_ram_file(struct sink_pages *s, const struct stream_block *block, struct ram_file *f, struct err *e)
{
	struct begun *begun = begun_of(s, block->name);
	uint64_t groups = group_of(s, block->length) + 1;
	char name[RAM_NAME];
	int out;

	if (sink_ram_name(block->name, name, e) < 0)
		return -1;
	out = begun ? begun_take(s, begun, block->length, name, f, e) : sink_create(&s->base, name, block->name, e);
	if (out < 0)
		return -1;
	f->out = (size_t)out;
	if (f->delta)
		return 0;
	/* the size comes from the stream, which may be hostile: do not end the process over it */
	f->written = calloc(groups / 64 + 1, sizeof(*f->written));
	if (!f->written)
		return err_sys(e, ENOMEM, "cannot create '%s'", name);
	return ftruncate(s->base.outs[out].fd, (off_t)block->length) < 0 ? sink_write_failed(&s->base.outs[out], e) : 0;
}

static struct stream_block *find_block(struct stream_block *blocks, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(blocks[i].name, name) == 0)
			return &blocks[i];
	return NULL;
}

/* Marks the listed blocks as taken and chooses the group size for their total. */
static void take_blocks(struct sink_pages *s, struct stream_block *blocks, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n_ram; i++) {
		struct stream_block *block = find_block(blocks, n, s->ram[i]);

		if (!block)
			continue;
		block->take = true;
		sum += block->length;
	}
	while (group_of(s, sum) / 8 > WRITTEN_BYTES)
		s->group_bits++;
}

static int on_blocks(void *ctx, struct stream_block *blocks, size_t n, struct err *e)
{
	struct sink_pages *s = ctx;

	take_blocks(s, blocks, n);
	if (s->n_ram && sink_ram_dir(s, e) < 0)
		return -1;
	s->files = memory_of(n, sizeof(*s->files));
	s->n_files = n;
	for (size_t i = 0; i < n; i++)
		if (blocks[i].take && create_ram_file(s, &blocks[i], &s->files[i], e) < 0)
			return -1;
	begun_drop(s);
	return 0;
}

/* The run points into the block of the stream about to be overwritten; a hole points nowhere and can keep growing. */
static int drain(void *sink, const uint8_t *data, size_t len, struct err *e)
{
	(void)data;
	(void)len;
	return flush_run(sink, e);
}

static int complete(struct sink *base, struct err *e)
{
	struct sink_pages *s = (struct sink_pages *)base;

	if (flush_run(s, e) < 0 || begun_complete(s, e) < 0)
		return -1;
	return flush_hole(s, e) < 0 || flush_devices(s, e) < 0 ? -1 : 0;
}

static void release(struct sink *base)
{
	struct sink_pages *s = (struct sink_pages *)base;

	for (size_t i = 0; i < s->n_ram; i++)
		free(s->ram[i]);
	free(s->ram);
	for (size_t i = 0; i < s->n_files; i++) {
		free(s->files[i].written);
		delta_free(s->files[i].delta);
	}
	begun_release(s);
	free(s->files);
	free(s);
}

static const struct sink_kind kind = {
	.events = { .blocks = on_blocks, .page = on_page, .fill = on_fill, .rest = on_rest },
	.drain = drain,
	.complete = complete,
	.release = release,
};

struct sink *sink_pages_open(int dirfd, const char *const *ram, size_t n_ram, uint64_t limit, struct err *e)
{
	struct sink_pages *s = memory_of(1, sizeof(*s));

	sink_init(&s->base, &kind, dirfd, limit);
	s->ram = memory_of(n_ram, sizeof(*s->ram));
	for (; s->n_ram < n_ram; s->n_ram++)
		s->ram[s->n_ram] = text_copy(ram[s->n_ram]);
	if (sink_create(&s->base, STATE_DEVICES, "", e) < 0) {
		sink_free(&s->base);
		return NULL;
	}
	return &s->base;
}
