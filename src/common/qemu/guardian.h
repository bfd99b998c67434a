/* SPDX-License-Identifier: MIT */
/*
 * A process that takes back what a tool has done when that tool dies, from SIGKILL too, or does not move in a pause. It
 * holds the reading end of a pipe: the end of file there means that the tool is gone. While it is told to watch
 * (guardian_watch), it also counts the tool's signs of life (base/pulse.h): after 2 s without one, whatever keeps the
 * tool (SIGSTOP, a terminal that takes no more, a disk), it kills the tool, and does the same.
 *
 * The guardian has a name, a command line and a session of its own, so that what ends the tool by its name, or at its
 * terminal, does not end it. It ignores all signals that can be ignored, and has only those descriptors of the tool's that
 * it needs, and stderr. A tool whose guardian is lost (killed, stopped) starts another with its next sign of life.
 *
 * A process has one guardian at a time.
 */
#ifndef MPLCR_QEMU_GUARDIAN_H
#define MPLCR_QEMU_GUARDIAN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct qmp;

/* What happened to the tool. */
struct guardian_story {
	const char *what; /* in words: "died" … */
	char told;        /* the last byte that the tool said (guardian_tell), 0 where it said none */
};

/* What it is to do. All must stay as it is until guardian_dismiss: a lost guardian's place is taken by another. */
struct guardian_duty {
	/*
	 * Called in the guardian: undoes, says on stderr what there is to say, and returns the exit status. Of what `ctx`
	 * leads to, the guardian has the state of the moment when it was started, but for shared memory.
	 */
	int (*undo)(void *ctx, const struct guardian_story *story);
	void *ctx;
	struct qmp *q; /* the connection that it needs, or NULL */
	/*
	 * The tool's pipe whose writing end QEMU has (NULL: there is none), as it is when guardian_start is called: it is read
	 * empty during the undoing, so that QEMU is not kept waiting.
	 */
	const int *pipe;
};

struct guardian_page;

struct guardian {
	pid_t pid; /* 0: there is none */
	int alive; /* write end of the pipe whose end of file means that we died */
	int drain; /* our copy of the reading end of duty.pipe, or -1 */
	struct guardian_duty duty;
	struct guardian_page *page; /* shared with it */
};

/* Starts the guardian. Returns 0 or -1. */
int guardian_start(struct guardian *g, const struct guardian_duty *duty, struct err *e)
	__attribute__((warn_unused_result));

/* Tells it how far the tool is: a byte of the tool's own, not 0. */
void guardian_tell(const struct guardian *g, char what);

/*
 * From now on, or no longer, the tool has to show signs of life. Meanwhile SIGTSTP, SIGTTIN and SIGTTOU wait, on this
 * thread (see interrupt_hold_stops for others). Nothing where there is no guardian.
 */
void guardian_watch(const struct guardian *g, bool watched);

/* All is well: it ends without doing anything. Nothing where there is none. */
void guardian_dismiss(struct guardian *g);

/* For a tool that gives up while its guardian is to go on: lets it be, and takes it that the tool ends now. */
void guardian_leave(struct guardian *g);

#endif
