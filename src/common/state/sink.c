/* SPDX-License-Identifier: MIT */
#include "state/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "state/sink_impl.h"
#include "state/pump.h"

void sink_init(struct sink *s, const struct sink_kind *kind, int dirfd, uint64_t limit)
{
	s->kind = kind;
	s->dirfd = dirfd;
	s->options.limit = limit;
}

void sink_allow_undescribed(struct sink *s)
{
	s->options.undescribed = true;
}

void sink_allow_interrupt(struct sink *s, int interrupt)
{
	s->interrupt = interrupt;
}

int sink_add(struct sink *s, int fd, const char *name, const char *block)
{
	struct sink_out *out = array_add(s->outs, s->n_outs);

	out->fd = fd;
	snprintf(out->file.name, sizeof(out->file.name), "%s", name);
	snprintf(out->file.block, sizeof(out->file.block), "%s", block);
	return (int)s->n_outs - 1;
}

int sink_create(struct sink *s, const char *name, const char *block, struct err *e)
{
	/* Readable too: the checksum is computed from the written file. */
	int fd = openat(s->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(e, errno, "cannot create '%s'", name) : sink_add(s, fd, name, block);
}

int sink_write_failed(const struct sink_out *out, struct err *e)
{
	return err_sys(e, errno, "cannot write '%s'", out->file.name);
}

int sink_append(struct sink_out *out, const void *data, size_t len, struct err *e)
{
	return fd_write_all(out->fd, data, len) < 0 ? sink_write_failed(out, e) : 0;
}

int sink_run(struct sink *s, int fd, struct err *e)
{
	struct stream_pump pump = { .fd = fd, .drain = s->kind->drain, .ctx = s, .interrupt = s->interrupt };

	s->stream = stream_new(&s->kind->events, s, &s->options);
	pump.stream = s->stream;
	return stream_pump(&pump, e) < 0 || s->kind->complete(s, e) < 0 ? -1 : 0;
}

/* Makes all files durable, then their directories. Runs in parallel with the checksums. */
static int sync_all(struct sink *s, struct err *e)
{
	for (size_t i = 0; i < s->n_outs; i++)
		if (fsync(s->outs[i].fd) < 0)
			return sink_write_failed(&s->outs[i], e);
	for (size_t i = 0; i < s->n_outs; i++) {
		_cleanup_free_ char *name = path_dir(s->outs[i].file.name);
		_cleanup_close_ int dir = openat(s->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0 || fsync(dir) < 0)
			return err_sys(e, errno, "cannot make '%s' durable", name);
	}
	return 0;
}

struct sync_job {
	struct sink *sink;
	struct err e;
	int result;
};

static void *sync_thread(void *arg)
{
	struct sync_job *job = arg;

	job->result = sync_all(job->sink, &job->e);
	return NULL;
}

static int sum_all(struct sink *s, struct err *e)
{
	for (size_t i = 0; i < s->n_outs; i++) {
		struct sink_out *out = &s->outs[i];
		struct stat st;

		if (fstat(out->fd, &st) < 0 || digest_fd(out->fd, out->file.xxh3, e) < 0)
			return err_prefix(e, "cannot compute the checksum of '%s'", out->file.name);
		out->file.size = (uint64_t)st.st_size;
	}
	return 0;
}

static void fill_result(struct sink *s)
{
	struct stream_info info = stream_info(s->stream);
	struct sink_result *r = &s->result;

	r->n_files = s->n_outs;
	r->files = memory_of(r->n_files, sizeof(*r->files));
	for (size_t i = 0; i < r->n_files; i++)
		r->files[i] = s->outs[i].file;
	r->n_blocks = info.n_blocks;
	r->blocks = memory_of(r->n_blocks, sizeof(*r->blocks));
	for (size_t i = 0; i < r->n_blocks; i++) {
		memcpy(r->blocks[i].name, info.blocks[i].name, sizeof(r->blocks[i].name));
		r->blocks[i].length = info.blocks[i].length;
	}
	snprintf(r->machine, sizeof(r->machine), "%s", info.machine);
	r->bytes = info.bytes;
	r->pages = info.pages;
	r->zero_pages = info.fill_pages;
	r->described = info.described;
}

const struct sink_result *sink_finish(struct sink *s, struct err *e)
{
	struct sync_job job = { .sink = s };
	pthread_t thread;
	int summed, threaded;

	threaded = pthread_create(&thread, NULL, sync_thread, &job) == 0;
	summed = sum_all(s, e);
	if (threaded)
		pthread_join(thread, NULL);
	else
		sync_thread(&job);
	if (summed < 0)
		return NULL;
	if (job.result < 0) {
		*e = job.e;
		return NULL;
	}
	fill_result(s);
	return &s->result;
}

void sink_free(struct sink *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_outs; i++)
		close(s->outs[i].fd);
	free(s->outs);
	free(s->result.files);
	free(s->result.blocks);
	stream_free(s->stream);
	s->kind->release(s);
}
