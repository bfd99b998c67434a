/* SPDX-License-Identifier: MIT */
#include "base/prefetch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"

#define STEP (4 << 20)

struct prefetch {
	int fd;
	int done[2]; /* a pipe: [0] is at its end once all is read */
	atomic_bool stop;
	pthread_t thread;
};

/* Bytes that programs can get without swapping (proc_meminfo(5)), or 0. */
static uint64_t available(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kib;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			return kib << 10;
	return 0;
}

/* The data from `at` up to `end`. Returns false where it is to stop. */
static bool read_range(struct prefetch *p, off_t at, off_t end, uint64_t *room)
{
	for (; at < end; at += STEP) {
		size_t size = end - at < STEP ? (size_t)(end - at) : STEP;

		if (atomic_load(&p->stop) || *room < size || readahead(p->fd, at, size) < 0)
			return false;
		*room -= size;
	}
	return true;
}

static void read_data(struct prefetch *p)
{
	uint64_t room = available() / 2;
	off_t data, hole = 0;

	while ((data = lseek(p->fd, hole, SEEK_DATA)) >= 0) {
		hole = lseek(p->fd, data, SEEK_HOLE);
		if (hole < 0 || !read_range(p, data, hole, &room))
			return;
	}
}

static void *run(void *arg)
{
	struct prefetch *p = arg;

	interrupt_hold_stops(true);
	read_data(p);
	close(p->done[1]);
	return NULL;
}

struct prefetch *prefetch_begin(int fd)
{
	struct prefetch *p = memory_of(1, sizeof(*p));

	p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (p->fd >= 0 && pipe2(p->done, O_CLOEXEC) == 0) {
		if (pthread_create(&p->thread, NULL, run, p) == 0)
			return p;
		close(p->done[0]);
		close(p->done[1]);
	}
	if (p->fd >= 0)
		close(p->fd);
	free(p);
	return NULL;
}

void prefetch_wait(struct prefetch *p, int64_t deadline)
{
	struct pollfd end = { .fd = p ? p->done[0] : -1 };
	struct timespec left;

	if (p)
		(void)!ppoll(&end, 1, clock_left(deadline, &left), NULL);
}

void prefetch_end(struct prefetch *p)
{
	if (!p)
		return;
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	close(p->done[0]);
	close(p->fd);
	free(p);
}
