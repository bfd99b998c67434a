/* SPDX-License-Identifier: MIT */
#include "base/workers.h"

#include <pthread.h>
#include <sched.h>

/* More processors than this are not used. */
#define MAX_WORKERS 64

struct job {
	void (*work)(void *ctx);
	void *ctx;
};

static void *run(void *arg)
{
	const struct job *job = arg;

	job->work(job->ctx);
	return NULL;
}

size_t workers_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

void workers_run(void (*work)(void *ctx), void *ctx, size_t max)
{
	struct job job = { work, ctx };
	pthread_t threads[MAX_WORKERS - 1];
	size_t wanted = workers_processors(), n = 0;

	while (n + 1 < wanted && n + 1 < max && n + 1 < MAX_WORKERS &&
	       pthread_create(&threads[n], NULL, run, &job) == 0)
		n++;
	work(ctx);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}
