/* SPDX-License-Identifier: MIT */
#include "state/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/memory.h"
#include "state/stream.h"

enum {
	PIECES = 512,          /* of one call */
	HEADS = 256 << 10,     /* bytes of heads in an arena */
	PIPE = 1 << 20,        /* what a pipe may hold without privileges */
};

struct gather {
	int fd;
	bool refers;
	struct iovec iov[PIECES];
	size_t n;
	uint8_t *heads; /* an arena; where pages are not copied, no byte of it is used twice, since the pipe refers to it */
	size_t used;
};

/* A new arena. What a pipe refers to stays although it is unmapped. */
static void renew(struct gather *g)
{
	if (g->heads)
		munmap(g->heads, HEADS);
	g->heads = mmap(NULL, HEADS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->heads == MAP_FAILED)
		g->heads = memory_checked(NULL);
	g->used = 0;
}

struct gather *gather_open(int fd)
{
	struct gather *g = memory_of(1, sizeof(*g));
	struct stat st;

	g->fd = fd;
	g->refers = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
	if (g->refers && fcntl(fd, F_GETPIPE_SZ) < PIPE)
		fcntl(fd, F_SETPIPE_SZ, PIPE);
	renew(g);
	return g;
}

bool gather_refers(const struct gather *g)
{
	return g->refers;
}

static ssize_t write_pieces(const struct gather *g, const struct iovec *iov, size_t n)
{
	return g->refers ? vmsplice(g->fd, iov, n, 0) : writev(g->fd, iov, (int)n);
}

int gather_flush(struct gather *g, struct err *e)
{
	struct iovec *iov = g->iov;
	size_t n = g->n;

	g->n = 0;
	while (n) {
		ssize_t done = write_pieces(g, iov, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(e, errno, "cannot write the migration stream");
		for (; n && (size_t)done >= iov->iov_len; iov++, n--)
			done -= (ssize_t)iov->iov_len;
		if (n) {
			iov->iov_base = (uint8_t *)iov->iov_base + done;
			iov->iov_len -= (size_t)done;
		}
	}
	if (!g->refers)
		g->used = 0;
	return 0;
}

/* Adds bytes that stay in place; extends the previous piece if they follow it in memory. */
static int add(struct gather *g, const uint8_t *bytes, size_t len, struct err *e)
{
	struct iovec *last = g->n ? &g->iov[g->n - 1] : NULL;

	if (last && (uint8_t *)last->iov_base + last->iov_len == bytes) {
		last->iov_len += len;
		return 0;
	}
	if (g->n == PIECES && gather_flush(g, e) < 0)
		return -1;
	g->iov[g->n++] = (struct iovec){ (void *)(uintptr_t)bytes, len };
	return 0;
}

int gather_head(struct gather *g, const void *bytes, size_t len, struct err *e)
{
	uint8_t *at;

	if (g->used + len > HEADS) {
		if (gather_flush(g, e) < 0)
			return -1;
		if (g->refers)
			renew(g);
	}
	at = g->heads + g->used;
	memcpy(at, bytes, len);
	g->used += len;
	return add(g, at, len, e);
}

int gather_page(struct gather *g, const uint8_t *page, struct err *e)
{
	return add(g, page, STREAM_PAGE, e);
}

void gather_close(struct gather *g)
{
	munmap(g->heads, HEADS);
	free(g);
}
