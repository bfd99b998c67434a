/* SPDX-License-Identifier: MIT */
/*
 * A process that takes back what a tool has done when that tool dies, from SIGKILL too. It holds the reading end of a
 * pipe: the end of file there means that the tool is gone. Each tool supplies what is to be undone; all waiting is in
 * one place (guardian.c, wait_for_end).
 *
 * The guardian has a session of its own and ignores the signals of a terminal, so that what ends the tool does not end
 * it; it keeps stderr, and lets go of stdin and stdout.
 */
#ifndef MPLCR_QEMU_GUARDIAN_H
#define MPLCR_QEMU_GUARDIAN_H

#include <sys/types.h>

#include "base/err.h"

/* What it is to do. Copied by guardian_start: of what `ctx` leads to, the guardian has the state of that moment, but for shared memory. */
struct guardian_duty {
	/*
	 * Called in the guardian when the tool has died: undoes, says on stderr what there is to say, and returns the
	 * exit status. `told` is the last byte that the tool said (guardian_tell), 0 where it said none.
	 */
	int (*undo)(void *ctx, char told);
	void *ctx; /* need not outlive the call of guardian_start */
	/*
	 * The tool's pipe whose writing end QEMU has (NULL: there is none): it is read empty during the undoing, so that
	 * QEMU is not kept waiting, and the guardian closes its own copy of the writing end at once.
	 */
	const int *pipe;
};

struct guardian {
	pid_t pid; /* 0: there is none */
	int alive; /* write end of the pipe whose end of file means that we died */
};

/* Forks the guardian. To be called before there are threads. Returns 0 or -1. */
int guardian_start(struct guardian *g, const struct guardian_duty *duty, struct err *e)
	__attribute__((warn_unused_result));

/* Tells it how far the tool is: a byte of the tool's own, not 0. */
void guardian_tell(const struct guardian *g, char what);

/* All is well: it ends without doing anything. Nothing where there is none. */
void guardian_dismiss(struct guardian *g);

#endif
