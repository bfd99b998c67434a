/* SPDX-License-Identifier: MIT */
/* Times and deadlines: nanoseconds of CLOCK_MONOTONIC, which no clock change moves. */
#ifndef MPLCR_CLOCK_H
#define MPLCR_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

/* A deadline that never comes. */
#define CLOCK_NEVER INT64_MAX

/* A time, as that of a file, in nanoseconds. */
static inline int64_t clock_ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Now, in nanoseconds. */
static inline int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return clock_ns_of(t);
}

/* The deadline `ms` milliseconds from now. */
static inline int64_t clock_in_ms(int64_t ms)
{
	return clock_ns() + ms * NS_PER_MS;
}

/* Whether `deadline` has passed. */
static inline bool clock_over(int64_t deadline)
{
	return clock_ns() >= deadline;
}

/*
 * The time left until `deadline`, in the form for ppoll(2): 0 when it has passed. Returns `left`, or NULL (no limit)
 * for CLOCK_NEVER.
 */
static inline struct timespec *clock_left(int64_t deadline, struct timespec *left)
{
	int64_t ns = deadline - clock_ns();

	if (deadline == CLOCK_NEVER)
		return NULL;
	if (ns < 0)
		ns = 0;
	*left = (struct timespec){ ns / NS_PER_S, ns % NS_PER_S };
	return left;
}

/* The wall clock now in UTC, in the form of RFC 3339 with milliseconds, "2026-01-01T00:00:00.000Z". Returns `text`. */
static inline char *clock_utc(char text[32])
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, 32 - n, ".%03dZ", (int)(now.tv_nsec / NS_PER_MS));
	return text;
}

/* Sleeps `ms` milliseconds, or until a signal comes. */
static inline void clock_sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&t, NULL);
}

/* Milliseconds, with a fraction, between two times. */
static inline double clock_ms_between(int64_t from, int64_t to)
{
	return (double)(to - from) / (double)NS_PER_MS;
}

#endif
