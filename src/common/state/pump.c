/* SPDX-License-Identifier: MIT */
#include "state/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/interrupt.h"
#include "base/memory.h"

enum {
	BLOCK = 1 << 20,
	PIPE = 1 << 20,     /* what a pipe may hold without privileges */
	ENOUGH = 256 << 10, /* worth a round: pipes give little at a time, and few large writes are cheaper */
};

/* Reads at least `ENOUGH` bytes into `buf`, or what is left of the input. Returns their number, or -1. */
static ssize_t read_some(const struct stream_pump *p, uint8_t *buf, size_t room, struct err *e)
{
	size_t used = 0;

	while (used < ENOUGH && used < room) {
		ssize_t n = read(p->fd, buf + used, room - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read the migration stream");
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

static bool is_interrupted(const struct stream_pump *p)
{
	struct pollfd poll_fd = { .fd = p->interrupt, .events = POLLIN };

	return p->interrupt > 0 && poll(&poll_fd, 1, 0) > 0;
}

int stream_pump(const struct stream_pump *p, struct err *e)
{
	_cleanup_free_ uint8_t *buf = memory_of(BLOCK + STREAM_MAX_TOKEN, 1);
	size_t left = 0;

	/* Fails on anything but a pipe and at the limit for pipes; the size only makes reading faster. */
	if (fcntl(p->fd, F_GETPIPE_SZ) < PIPE)
		fcntl(p->fd, F_SETPIPE_SZ, PIPE);
	for (;;) {
		ssize_t taken, n = read_some(p, buf + left, BLOCK, e);

		if (n < 0)
			return -1;
		if (is_interrupted(p))
			return interrupt_error(e);
		if (n == 0)
			return stream_end(p->stream, left, e);
		taken = stream_feed(p->stream, buf, left + (size_t)n, e);
		if (taken < 0 || (p->drain && p->drain(p->ctx, buf, (size_t)taken, e) < 0))
			return -1;
		left += (size_t)(n - taken);
		memmove(buf, buf + taken, left);
	}
}
