/* SPDX-License-Identifier: MIT */
/*
 * Unit tests that speak TAP: ok() for each thing checked, and `return done();` at the end of main, which is not 0 when
 * one of them failed.
 */
#ifndef MPLCR_TAP_H
#define MPLCR_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count, tap_failed;

#define ok(cond, ...) tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)

static inline bool __attribute__((format(printf, 4, 5)))
tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	if (!good)
		printf("\n# failed at %s:%d", file, line);
	putchar('\n');
	fflush(stdout);
	tap_failed += !good;
	return good;
}

static inline int done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed > 0;
}

#endif
