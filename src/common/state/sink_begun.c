/* SPDX-License-Identifier: MIT */
/* Files of guest memory that begin as clones of earlier ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/prefetch.h"
#include "base/text.h"
#include "state/sink_pages_impl.h"
#include "state/stream.h"

struct begun *begun_of(struct sink_pages *s, const char *block)
{
	for (size_t i = 0; i < s->n_begun; i++)
		if (s->begun[i].fd >= 0 && strcmp(s->begun[i].block, block) == 0)
			return &s->begun[i];
	return NULL;
}

int begun_take(struct sink_pages *s, struct begun *b, uint64_t length, const char *name, struct ram_file *f,
	       struct err *e)
{
	int out = sink_add(&s->base, b->fd, name, b->block);

	b->fd = -1;
	if (delta_length(b->delta) == length) {
		f->delta = b->delta;
		b->delta = NULL;
		s->base.result.begun = true;
	} else if (ftruncate(s->base.outs[out].fd, 0) < 0) {
		return sink_write_failed(&s->base.outs[out], e);
	}
	return out;
}

static void release_begun(struct begun *b)
{
	prefetch_end(b->prefetch);
	delta_free(b->delta);
	if (b->fd >= 0)
		close(b->fd);
	free(b->block);
}

void begun_drop(struct sink_pages *s)
{
	char name[RAM_NAME];
	struct err ignored;

	for (size_t i = 0; i < s->n_begun; i++)
		if (s->begun[i].fd >= 0 && sink_ram_name(s->begun[i].block, name, &ignored) == 0)
			unlinkat(s->base.dirfd, name, 0);
}

/* What the stream had nothing for (memory that the guest has given back) is zero, as in a file that began empty. */
static int punch_unseen(struct sink_pages *s, struct ram_file *f, struct err *e)
{
	for (uint64_t offset = 0; delta_unseen(f->delta, &offset); offset += STREAM_PAGE)
		if (sink_page_zero(s, f, offset, e) < 0)
			return -1;
	return 0;
}

int begun_complete(struct sink_pages *s, struct err *e)
{
	for (size_t i = 0; i < s->n_files; i++) {
		struct delta_count count;

		if (!s->files[i].delta)
			continue;
		if (punch_unseen(s, &s->files[i], e) < 0)
			return -1;
		count = delta_counted(s->files[i].delta);
		s->base.result.pages_same += count.same;
		s->base.result.pages_changed += count.changed;
		s->base.result.pages_zeroed += count.zeroed;
	}
	return 0;
}

void begun_release(struct sink_pages *s)
{
	for (size_t i = 0; i < s->n_begun; i++)
		release_begun(&s->begun[i]);
	free(s->begun);
}

/* The file `fd` has what it begins with. Returns 0, or -1 with errno. */
static int add_begun(struct sink_pages *s, const char *block, int fd)
{
	struct delta *delta = delta_new(fd);

	if (!delta)
		return -1;
	*array_add(s->begun, s->n_begun) = (struct begun){ text_copy(block), fd, delta, prefetch_begin(fd) };
	return 0;
}

int sink_pages_begin(struct sink *base, const char *block, int from, int (*clone)(int from, int to), struct err *e)
{
	struct sink_pages *s = (struct sink_pages *)base;
	char name[RAM_NAME];
	int fd;

	if (sink_ram_name(block, name, e) < 0 || sink_ram_dir(s, e) < 0)
		return -1;
	fd = openat(s->base.dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "cannot create '%s'", name);
	if (clone(from, fd) == 0 && add_begun(s, block, fd) == 0)
		return 0;
	err_sys(e, errno, "cannot begin '%s' as a clone", name);
	close(fd);
	unlinkat(s->base.dirfd, name, 0);
	return -1;
}

void sink_pages_await(struct sink *base, int ms)
{
	struct sink_pages *s = (struct sink_pages *)base;
	int64_t end = clock_in_ms(ms);

	for (size_t i = 0; i < s->n_begun; i++)
		prefetch_wait(s->begun[i].prefetch, end);
}
