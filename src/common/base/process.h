/* SPDX-License-Identifier: MIT */
/*
 * Short helper programs (qemu-img, QEMU --version): started without a shell, their output caught, their time bounded.
 * Several can run at once.
 */
#ifndef MPLCR_PROCESS_H
#define MPLCR_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct process {
	pid_t pid;  /* 0: not started, or finished */
	int fd;     /* its standard output, and its standard error where that does not go apart */
	int errors; /* its standard error, or -1 */
};

/* What a program is given, and what it may use. */
struct process_setup {
	int input;            /* its standard input, which stays the caller's; -1: nothing */
	bool errors_apart;    /* what it prints are data; its errors are for messages only */
	uint64_t memory;      /* bytes of address space, 0: no limit; it is refused more */
	uint64_t cpu_seconds; /* 0: no limit; it is killed then */
	int listening;        /* a socket for it to serve, handed over as systemd does (sd_listen_fds(3)); 0: none */
};

/* Starts argv[0] (looked for in PATH), in a process group of its own. Returns 0 or -1. */
int process_start_as(struct process *p, char *const *argv, const struct process_setup *setup, struct err *e)
	__attribute__((warn_unused_result));

/* The same with that input, and without limits. */
int process_start(struct process *p, char *const *argv, int input, struct err *e) __attribute__((warn_unused_result));

/*
 * Waits until it ends, at most until `deadline`, or until `interrupt` (-1: none) is readable; kills it then, with its
 * group. *output (malloc'd) gets what it printed, at most 1 MiB, also where it ended with another status than 0; else
 * it stays as it is. Returns 0 where it ended with status 0, else -1 with its own words.
 */
int process_finish(struct process *p, const char *name, int64_t deadline, int interrupt, char **output, struct err *e)
	__attribute__((warn_unused_result));

/* Says in *e that the program `name` failed, with what it printed (NULL: nothing) in one line. Always returns -1. */
int process_failed(const char *name, const char *output, struct err *e);

#endif
