/* SPDX-License-Identifier: MIT */
/*
 * Numbers from the command line and from /proc, read strictly: the whole string must be the number, decimal, no sign,
 * no white space, no octal by accident, no overflow.
 */
#ifndef MPLCR_NUMBER_H
#define MPLCR_NUMBER_H

#include <stdint.h>

#include "base/err.h"

/* Reads a plain number of at most `max` into *out. Returns 0, or -1 with a usage error that names `what`. */
int number_parse(const char *text, const char *what, uint64_t max, uint64_t *out, struct err *e)
	__attribute__((warn_unused_result));

/* As number_parse, for bytes: a suffix K, M, G or T (powers of 1024, upper or lower case) multiplies. */
int number_parse_bytes(const char *text, const char *what, uint64_t *out, struct err *e)
	__attribute__((warn_unused_result));

/* As number_parse, for a time in seconds that may have a fraction ("2", "0.5"); *ms gets milliseconds. */
int number_parse_seconds(const char *text, const char *what, uint64_t *ms, struct err *e)
	__attribute__((warn_unused_result));

/* As number_parse, for a time with its unit: s, m, h, d or w ("90m", "7d"); *seconds gets it in seconds. */
int number_parse_duration(const char *text, const char *what, uint64_t *seconds, struct err *e)
	__attribute__((warn_unused_result));

/* Writes bytes for a person into `buf`: "812 B", "3.4 MiB". Returns buf. */
char *number_bytes(uint64_t bytes, char buf[16]);

#endif
