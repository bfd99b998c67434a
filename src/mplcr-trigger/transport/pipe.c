/* SPDX-License-Identifier: MIT */
/* Receives the migration stream through a pipe: a thread reads it, the sink stores it. */
#include "transport/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/json.h"
#include "changes.h"
#include "options.h"
#include "qemu/qmp.h"
#include "state/sink.h"
#include "survey.h"

/* Larger than the default 64 KiB, so that QEMU need not wait for us at each buffer; works without, too. */
#define PIPE_BYTES (1 << 20)

/* A plausible total for the RAM blocks in the stream that are not main memory (video memory, ROMs). */
#define OTHER_BLOCKS (16ULL << 30)

/* How long QEMU may take to close its end of the pipe after the migration has ended or was cancelled. */
#define CLOSE_MS 2000

struct receiver {
	struct sink *sink;
	struct qmp *q;
	bool kept; /* QEMU has the end to read, too */
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

	interrupt_hold_stops(true);
	r->result = sink_run(r->sink, r->fd, &r->why);
	if (r->result < 0 && is_open(r->fd)) {
		atomic_store(&r->ours, true);
		fd_drain(r->fd);
	}
	close(r->fd);
	return NULL;
}

static struct sink *open_sink(const struct transport_ends *ends, struct err *e)
{
	const struct options *o = ends->options;
	const struct survey *s = ends->survey;
	const struct layout_sink wish = {
		.ram = (const char *const *)s->ram,
		.n_ram = s->n_ram,
		.limit = s->memory + OTHER_BLOCKS,
		.zstd_level = o->zstd_level,
		.parent = ends->parent,
		.parent_wanted = o->parent != NULL,
	};
	struct sink *sink = o->layout->open_sink(ends->dirfd, &wish, e);

	if (sink && s->undescribed)
		sink_allow_undescribed(sink);
	return sink;
}

int transport_make_pipe(int ends[2], struct err *e)
{
	if (pipe2(ends, O_CLOEXEC) == 0)
		return 0;
	ends[0] = ends[1] = -1;
	return err_sys(e, errno, "cannot make a pipe");
}

static void join(struct receiver *r)
{
	if (!r->joined)
		pthread_join(r->thread, NULL);
	r->joined = true;
}

/* Whether QEMU closes its end soon: a QEMU that no longer answers may hold the pipe for good. */
static bool ends_soon(const struct receiver *r)
{
	struct pollfd p = { .fd = r->fd };

	return r->joined || poll(&p, 1, CLOSE_MS) != 0;
}

static void release(void *own)
{
	struct receiver *r = own;

	if (!ends_soon(r))
		return; /* the thread needs it until the process ends, very soon */
	join(r);
	sink_free(r->sink);
	free(r);
}

static const char *uri(const void *own, const struct options *o)
{
	(void)own;
	(void)o;
	return "fd:" PIPE_NAME;
}

/* Passes QEMU its end of the pipe. */
static int give_end(const struct transport_ends *ends, int to_qemu, struct err *e)
{
	(void)!fcntl(to_qemu, F_SETPIPE_SZ, PIPE_BYTES);
	ends->changes->pipe = true;
	return qmp_run_fd(ends->q, "getfd", json_of("{s:s}", "fdname", PIPE_NAME), to_qemu, e);
}

/* And the other one, where it is to have that. */
static int give_kept(struct receiver *r, const struct transport_ends *ends, struct err *e)
{
	r->kept = ends->keep;
	return r->kept ? qmp_run_fd(ends->q, "getfd", json_of("{s:s}", "fdname", PIPE_KEPT_NAME), r->fd, e) : 0;
}

static int start_thread(struct receiver *r, struct err *e)
{
	int failed = pthread_create(&r->thread, NULL, read_stream, r);

	r->joined = failed != 0;
	return failed ? err_sys(e, failed, "cannot start a thread") : 0;
}

/* The thread always reads to the end and drops everything after a failure. */
static void *open_pipe(const struct transport_ends *ends, struct err *e)
{
	struct receiver *r = memory_of(1, sizeof(*r));
	_cleanup_close_ int to_qemu = steal_fd(&ends->pipe[1]);

	r->fd = steal_fd(&ends->pipe[0]);
	r->joined = true;
	r->q = ends->q;
	r->sink = open_sink(ends, e);
	if (r->sink && give_end(ends, to_qemu, e) == 0 && give_kept(r, ends, e) == 0 && start_thread(r, e) == 0)
		return r;
	close(r->fd);
	release(r);
	return NULL;
}

static const struct err *failure(const void *own)
{
	const struct receiver *r = own;

	return atomic_load(&r->ours) ? &r->why : NULL;
}

static const struct sink_result *finish(void *own, struct err *e)
{
	struct receiver *r = own;

	join(r);
	if (r->result < 0) {
		*e = r->why;
		return NULL;
	}
	if (r->kept && qmp_run(r->q, "closefd", json_of("{s:s}", "fdname", PIPE_KEPT_NAME), NULL, e) < 0)
		return NULL;
	return sink_finish(r->sink, e);
}

const struct transport transport_pipe = {
	.stores = true,
	.uri = uri,
	.open = open_pipe,
	.failure = failure,
	.finish = finish,
	.release = release,
};
