/* SPDX-License-Identifier: MIT */
/* What /proc tells about a running process (proc(5)): QEMU, whose command line a restore needs. */
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
	uint64_t memory;       /* bytes of memory that it has populated, swapped out ones included */
	bool may_trace_faults; /* has CAP_SYS_PTRACE, which userfaultfd needs where it is not open to all */
};

/* Reads what is known of process `pid` into *p. Returns 0, or -1 where the process cannot be read. */
int procinfo_read(pid_t pid, struct procinfo *p, struct err *e) __attribute__((warn_unused_result));

void procinfo_release(struct procinfo *p);

/*
 * When the process began, in clock ticks since the host was started: with `pid` it names the process for good. 0 where
 * there is none.
 */
uint64_t procinfo_started(pid_t pid);

/*
 * The path of a file that process `pid` has open and whose path is `path` itself or ends in "/PATH" (for names that
 * were given relative to a directory that the process has left since). Malloc'd, or NULL.
 */
char *procinfo_open_file(pid_t pid, const char *path);

#endif
