/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "restore.h"
#include "base/zstd.h"

enum { BLOCK = 1 << 20 };

struct feed {
	pthread_t thread;
	const struct plan *p;
	const struct overwritten *o;
	int fd; /* closed by the thread */
	int result;
	struct err e;
};

/* Writes to QEMU. Returns 0, 1 where it reads no more, -1 on failure. */
static int give(int fd, const void *data, size_t size, struct err *e)
{
	if (fd_write_all(fd, data, size) == 0)
		return 0;
	return errno == EPIPE ? 1 : err_sys(e, errno, "cannot hand over the state");
}

static int feed_plain(int from, int fd, const char *name, struct err *e)
{
	_cleanup_free_ char *buf = memory_of(BLOCK, 1);

	for (;;) {
		ssize_t n = read(from, buf, BLOCK);
		int result;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read '%s'", name);
		if (n == 0)
			return 0;
		result = give(fd, buf, (size_t)n, e);
		if (result != 0)
			return result;
	}
}

static int feed_compressed(int from, int fd, const char *name, struct err *e)
{
	_cleanup_free_ char *buf = memory_of(BLOCK, 1);
	struct zstd_reader *reader = zstd_reader_open(from, e);
	int result = reader ? 0 : -1;

	while (result == 0) {
		ssize_t n = zstd_reader_read(reader, buf, BLOCK, e);

		if (n < 0)
			result = err_prefix(e, "'%s'", name);
		if (n <= 0)
			break;
		result = give(fd, buf, (size_t)n, e);
	}
	zstd_reader_free(reader);
	return result;
}

static int feed_file(int dirfd, const char *name, int fd, struct err *e)
{
	_cleanup_close_ int from = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t n = strlen(name);

	if (from < 0)
		return err_sys(e, errno, "cannot open '%s'", name);
	if (n > 4 && strcmp(name + n - 4, ".zst") == 0)
		return feed_compressed(from, fd, name, e);
	return feed_plain(from, fd, name, e);
}

/* Lazily: the devices, and those pages of memory that are not as in the file. */
static int feed_lazily(const struct plan *p, const struct overwritten *o, int dirfd, int fd, struct err *e)
{
	const struct manifest_file *file = memory_main_file(p->m);
	struct stream_join_ram ram = { file->block, file->name };
	int result;

	if (o->n == 0)
		return feed_file(dirfd, STATE_DEVICES, fd, e);
	e->sys = 0;
	result = stream_join_pages(dirfd, &ram, o->ranges, o->n, !p->m->described, fd, e);
	return result < 0 && e->sys == EPIPE ? 1 : result;
}

static int feed_joined(const struct plan *p, int dirfd, int fd, struct err *e)
{
	const struct manifest *m = p->m;
	struct stream_join_ram *ram = memory_of(m->n_files, sizeof(*ram));
	size_t n = 0;
	int result;

	for (size_t i = 0; i < m->n_files; i++)
		if (m->files[i].block)
			ram[n++] = (struct stream_join_ram){ m->files[i].block, m->files[i].name };
	e->sys = 0;
	result = stream_join(dirfd, ram, n, !m->described, fd, e);
	free(ram);
	return result < 0 && e->sys == EPIPE ? 1 : result;
}

static int feed_all(const struct plan *p, const struct overwritten *o, int fd, struct err *e)
{
	_cleanup_close_ int dirfd = open(p->m->checkpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return err_sys(e, errno, "cannot open '%s'", p->m->checkpoint);
	if (p->lazy)
		return feed_lazily(p, o, dirfd, fd, e);
	if (strcmp(p->m->layout, "pages") == 0)
		return feed_joined(p, dirfd, fd, e);
	if (manifest_file_named(p->m, STATE_STREAM))
		return feed_file(dirfd, STATE_STREAM, fd, e);
	return feed_file(dirfd, STATE_STREAM_ZSTD, fd, e);
}

static void *feed_thread(void *arg)
{
	struct feed *f = arg;

	f->result = feed_all(f->p, f->o, f->fd, &f->e);
	close(f->fd);
	return NULL;
}

struct feed *feed_start(const struct plan *p, const struct overwritten *o, int fd, struct err *e)
{
	struct feed *f = memory_of(1, sizeof(*f));
	int why;

	f->p = p;
	f->o = o;
	f->fd = fd;
	why = pthread_create(&f->thread, NULL, feed_thread, f);
	if (why == 0)
		return f;
	err_sys(e, why, "cannot start a thread");
	close(fd);
	free(f);
	return NULL;
}

int feed_finish(struct feed *f, struct err *e)
{
	int result;

	pthread_join(f->thread, NULL);
	result = f->result;
	if (result < 0)
		*e = f->e;
	free(f);
	return result;
}
