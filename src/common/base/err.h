/* SPDX-License-Identifier: MIT */
/*
 * Errors of the whole toolkit: one value that says what we were doing, what the system answered and, if it helps, what
 * to do about it. The code that meets the error fills it in; the tool prints it once (cli.h).
 *
 * A function that can fail takes `struct err *e` last and returns 0 or -1 (or a pointer or NULL). On failure, and only
 * then, it has filled *e. The struct owns no memory: it can live on the stack and be copied.
 */
#ifndef MPLCR_ERR_H
#define MPLCR_ERR_H

#include <stddef.h>

/* Exit statuses, the same in every tool. */
enum {
	EXIT_DONE = 0,    /* done */
	EXIT_NO = 1,      /* the answer is no */
	EXIT_USAGE = 2,   /* bad usage */
	EXIT_FAILED = 3,  /* failed, nothing was changed */
	EXIT_PARTIAL = 4, /* failed part-way: the message says what was done */
};

struct err {
	int status;      /* the exit status that the tool ends with: one of EXIT_… */
	int sys;         /* the errno behind it, or 0 */
	char text[1024]; /* "cannot open 'x': No such file or directory"; bytes from outside are not yet escaped */
	char hint[512];  /* what to do, or "" */
};

/* Fills in `e` with status EXIT_FAILED and the formatted text. Always returns -1. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As err_set, and appends ": " and the system's text for `errnum`. Always returns -1. */
int err_sys(struct err *e, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with status EXIT_USAGE. Always returns -1. */
int err_usage(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts the formatted words and ": " before the text of `e`. Always returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the hint of `e`. Always returns -1, so that it can end a chain of `return`. */
int err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
