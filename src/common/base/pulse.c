/* SPDX-License-Identifier: MIT */
#include "base/pulse.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/clock.h"

typedef void beat_function(void);

static _Atomic(beat_function *) watcher;

/* Each thread has its own of these; its address names the thread. */
static _Thread_local char me;
static _Atomic(char *) taken_by;

void pulse_set(void (*beat)(void))
{
	atomic_store(&watcher, beat);
}

void pulse(void)
{
	beat_function *beat = atomic_load(&watcher);
	char *by = atomic_load(&taken_by);

	if (beat && (!by || by == &me))
		beat();
}

void pulse_take(void)
{
	atomic_store(&taken_by, &me);
}

void pulse_give_back(void)
{
	atomic_store(&taken_by, NULL);
	pulse();
}

static int64_t next_beat(int64_t until)
{
	int64_t next = clock_in_ms(PULSE_MS);

	return atomic_load(&watcher) && next < until ? next : until;
}

int pulse_poll(struct pollfd *fds, nfds_t n, int64_t until)
{
	for (;;) {
		struct timespec left;
		int64_t next;
		int ready;

		pulse();
		next = next_beat(until);
		ready = ppoll(fds, n, clock_left(next, &left), NULL);
		if (ready != 0 || next == until)
			return ready;
	}
}

void pulse_sleep_ms(int64_t ms)
{
	int64_t until = clock_in_ms(ms);

	while (!clock_over(until))
		(void)!pulse_poll(NULL, 0, until);
}
