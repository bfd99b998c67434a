/* SPDX-License-Identifier: MIT */
/* The migration stream on its way from QEMU: a pipe, a thread that reads it, and the sink that stores it. */
#include "receive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"

/*
 * Larger than the default 64 KiB, so that QEMU need not wait for us at each buffer; what cannot be had is not needed.
 */
#define PIPE_BYTES (1 << 20)

/* More RAM blocks than memory alone (video memory, ROMs) may be in the stream: this much is plausible for those. */
#define OTHER_BLOCKS (16ULL << 30)

/* How long QEMU may take to close its end of the pipe after the migration has ended or was cancelled. */
#define CLOSE_MS 2000

struct receiver {
	struct sink *sink;
	int fd;
	bool joined;
	pthread_t thread;
	int result;
	struct err why;
	atomic_bool ours; /* we failed while QEMU was still sending */
};

/* Whether QEMU still holds its end of the pipe. */
static bool is_open(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

static void *read_stream(void *ctx)
{
	struct receiver *r = ctx;

	r->result = sink_run(r->sink, r->fd, &r->why);
	if (r->result < 0 && is_open(r->fd)) {
		atomic_store(&r->ours, true);
		fd_drain(r->fd);
	}
	close(r->fd);
	return NULL;
}

static struct sink *open_sink(int dirfd, const struct options *o, const struct survey *s, struct err *e)
{
	const struct layout_sink wish = {
		.ram = (const char *const *)s->ram,
		.n_ram = s->n_ram,
		.limit = s->memory + OTHER_BLOCKS,
		.zstd_level = o->zstd_level,
	};
	struct sink *sink = o->layout->open_sink(dirfd, &wish, e);

	if (sink && s->undescribed)
		sink_allow_undescribed(sink);
	return sink;
}

int receive_pipe(int ends[2], struct err *e)
{
	if (pipe2(ends, O_CLOEXEC) == 0)
		return 0;
	ends[0] = ends[1] = -1;
	return err_sys(e, errno, "cannot make a pipe");
}

struct receiver *receive_start(int ends[2], int dirfd, const struct options *o, const struct survey *s, struct qmp *q,
			       struct changes *c, struct err *e)
{
	struct receiver *r = memory_of(1, sizeof(*r));
	_cleanup_close_ int to_qemu = steal_fd(&ends[1]);
	int failed;

	r->fd = steal_fd(&ends[0]);
	r->joined = true;
	r->sink = open_sink(dirfd, o, s, e);
	if (!r->sink)
		goto fail;
	(void)!fcntl(to_qemu, F_SETPIPE_SZ, PIPE_BYTES);
	c->pipe = true;
	if (qmp_run_fd(q, "getfd", json_of("{s:s}", "fdname", PIPE_NAME), to_qemu, e) < 0)
		goto fail;
	failed = pthread_create(&r->thread, NULL, read_stream, r);
	if (failed) {
		err_sys(e, failed, "cannot start a thread");
		goto fail;
	}
	r->joined = false;
	return r;
fail:
	if (r->fd >= 0)
		close(r->fd);
	receive_free(r);
	return NULL;
}

const struct err *receive_failure(const struct receiver *r)
{
	return atomic_load(&r->ours) ? &r->why : NULL;
}

static void join(struct receiver *r)
{
	if (!r->joined)
		pthread_join(r->thread, NULL);
	r->joined = true;
}

const struct sink_result *receive_finish(struct receiver *r, struct err *e)
{
	join(r);
	if (r->result < 0) {
		*e = r->why;
		return NULL;
	}
	return sink_finish(r->sink, e);
}

/* Whether QEMU closes its end soon: where it cannot be reached any more, it may hold the pipe for good. */
static bool ends_soon(const struct receiver *r)
{
	struct pollfd p = { .fd = r->fd };

	return r->joined || poll(&p, 1, CLOSE_MS) != 0;
}

void receive_free(struct receiver *r)
{
	if (!r)
		return;
	if (!ends_soon(r))
		return; /* the thread needs it until the process ends, which it is about to */
	join(r);
	sink_free(r->sink);
	free(r);
}
