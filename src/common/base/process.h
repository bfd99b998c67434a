/* SPDX-License-Identifier: MIT */
/*
 * Runs short helper programs (qemu-img, QEMU --version) without a shell, with captured output and a time limit. Several
 * can run at once.
 */
#ifndef MPLCR_PROCESS_H
#define MPLCR_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct process {
	pid_t pid;  /* 0: not started, or finished */
	int fd;     /* its standard output, with standard error unless that is separate */
	int errors; /* its standard error, or -1 */
};

/* A program's input and limits. */
struct process_setup {
	int input;            /* its standard input, which stays the caller's; -1: none */
	bool errors_apart;    /* standard output is data; standard error is kept apart, for messages */
	uint64_t memory;      /* bytes of address space, 0: no limit; larger allocations fail */
	uint64_t cpu_seconds; /* 0: no limit; it is killed then */
	int listening;        /* a socket for it to serve, passed as systemd does (sd_listen_fds(3)); 0: none */
};

/* Starts argv[0] (looked for in PATH), in a process group of its own. Returns 0 or -1. */
int process_start_as(struct process *p, char *const *argv, const struct process_setup *setup, struct err *e)
	__attribute__((warn_unused_result));

/* The same with that input, and without limits. */
int process_start(struct process *p, char *const *argv, int input, struct err *e) __attribute__((warn_unused_result));

/*
 * Waits for its end, at most until `deadline` or until `interrupt` (-1: none) is readable; then kills it with its
 * group. *output (malloc'd) gets its output, at most 1 MiB, whatever the exit status; if it did not end by itself,
 * *output is unchanged. Returns 0 if it ended with status 0, else -1 with its own words.
 */
int process_finish(struct process *p, const char *name, int64_t deadline, int interrupt, char **output, struct err *e)
	__attribute__((warn_unused_result));

/* Kills it with its group, and forgets what it has written. */
void process_kill(struct process *p);

/* Sets *e: the program `name` failed, with its output (NULL: none) in one line. Always returns -1. */
int process_failed(const char *name, const char *output, struct err *e);

#endif
