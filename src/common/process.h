/* SPDX-License-Identifier: MIT */
/*
 * Short helper programs (qemu-img, QEMU --version): started without a shell, their output caught, their time bounded.
 * Several can run at once.
 */
#ifndef MPLCR_PROCESS_H
#define MPLCR_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct process {
	pid_t pid; /* 0: not started, or finished */
	int fd;    /* its standard output and error */
};

/*
 * Starts argv[0] (looked for in PATH), in a process group of its own; `input` (-1: nothing) is its standard input, and
 * stays the caller's. Returns 0 or -1.
 */
int process_start(struct process *p, char *const *argv, int input, struct err *e) __attribute__((warn_unused_result));

/*
 * Waits until it ends, at most until `deadline`, or until `interrupt` (-1: none) is readable; kills it then, with its
 * group. *output (malloc'd) gets what it printed, at most 1 MiB. Returns 0 where it ended with status 0, else -1 with
 * its own words.
 */
int process_finish(struct process *p, const char *name, int64_t deadline, int interrupt, char **output, struct err *e)
	__attribute__((warn_unused_result));

/* Says in *e that the program `name` failed, with what it printed (NULL: nothing) in one line. Always returns -1. */
int process_failed(const char *name, const char *output, struct err *e);

#endif
