/* SPDX-License-Identifier: MIT */
/*
 * The sign of life of a tool while somebody watches it (qemu/guardian.h): all that waits, and all that may take long,
 * comes by here at least every PULSE_MS, so that one who is stopped or stuck in a system call can be told from one who
 * waits. Costs nothing where nobody watches.
 */
#ifndef MPLCR_PULSE_H
#define MPLCR_PULSE_H

#include <poll.h>
#include <stdint.h>

#define PULSE_MS 200

/* From now on `beat` is called at each sign of life, on the thread that gives it; NULL: nobody watches any more. */
void pulse_set(void (*beat)(void));

/* A sign of life. Those of other threads do not count while one has taken the pulse over. */
void pulse(void);

/* The calling thread does what matters from now on, or no longer; the others only wait for it. */
void pulse_take(void);
void pulse_give_back(void);

/*
 * ppoll(2) until `until` (clock.h), with signs of life. Returns what ppoll does: 0 when the time is over, -1 with errno
 * (EINTR too).
 */
int pulse_poll(struct pollfd *fds, nfds_t n, int64_t until);

/* Sleeps `ms` milliseconds. */
void pulse_sleep_ms(int64_t ms);

#endif
