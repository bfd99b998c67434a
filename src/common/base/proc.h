/* SPDX-License-Identifier: MIT */
/* Facts about a running process from /proc (proc(5)): a restore needs QEMU's command line. */
#ifndef MPLCR_PROCINFO_H
#define MPLCR_PROCINFO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct procinfo {
	char *exe;             /* path of the executable */
	char *cwd;             /* working directory */
	char **argv;           /* command line, NULL-terminated */
	uint64_t memory;       /* bytes of populated memory, swapped out ones included */
	bool may_trace_faults; /* has CAP_SYS_PTRACE, which userfaultfd needs unless it is open to all */
};

/* Reads the facts about process `pid` into *p. Returns 0, or -1 if the process cannot be read. */
int procinfo_read(pid_t pid, struct procinfo *p, struct err *e) __attribute__((warn_unused_result));

void procinfo_release(struct procinfo *p);

/*
 * The start time of the process in clock ticks since the host booted: with `pid` it identifies the process for good. 0
 * if there is no such process.
 */
uint64_t procinfo_started(pid_t pid);

/*
 * The path of a file that process `pid` has open, if it is `path` or ends in "/PATH" (for names relative to a directory
 * that the process has left since). Malloc'd, or NULL.
 */
char *procinfo_open_file(pid_t pid, const char *path);

#endif
