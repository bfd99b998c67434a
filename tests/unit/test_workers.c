/* SPDX-License-Identifier: MIT */
/* workers.h: each piece of the work is done once, by whichever thread. */
#include "base/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "tap.h"

#define PIECES 10000

struct shared {
	atomic_size_t next;
	atomic_int workers, elsewhere;
	pthread_t here;
	int done[PIECES];
};

static void work(void *ctx)
{
	struct shared *s = ctx;

	s->workers++;
	if (!pthread_equal(pthread_self(), s->here))
		s->elsewhere++;
	for (size_t i; (i = s->next++) < PIECES;)
		s->done[i]++;
}

static void run(size_t max, int most)
{
	struct shared s = { .here = pthread_self() };
	bool once = true;

	workers_run(work, &s, max);
	for (size_t i = 0; i < PIECES; i++)
		once &= s.done[i] == 1;
	ok(once, "%zu: each piece once", max);
	ok(s.workers >= 1 && s.workers <= most && s.elsewhere == s.workers - 1, "%zu: %d workers, one of them here",
	   max, s.workers);
}

int main(void)
{
	run(1, 1);
	run(0, 1);
	run(4, 4);
	run(100000, 64);
	return done();
}
