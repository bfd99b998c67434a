/* SPDX-License-Identifier: MIT */
/* SIGINT, SIGTERM and SIGHUP as a descriptor to poll, so that a tool undoes what it began before it ends. */
#ifndef MPLCR_INTERRUPT_H
#define MPLCR_INTERRUPT_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Blocks the signals (and SIGUSR1, which has no effect of its own) and returns a descriptor that becomes readable with
 * the first one and stays readable, or -1; it stays open until the process ends. Ignores SIGPIPE. Call it before starting threads and children; children that
 * exec call interrupt_release first.
 */
int interrupt_open(struct err *e);

/*
 * Takes SIGINT away from the descriptor `fd` of interrupt_open. Returns a descriptor for SIGINT and SIGUSR1, for a wait
 * that the user may end early without giving up; or -1.
 */
int interrupt_split(int fd, struct err *e);

/* Closes `split` and gives SIGINT back to `fd`; a SIGINT that came meanwhile no longer counts. */
void interrupt_join(int fd, int split);

/* Says in *e that a signal came: "interrupted", with errno EINTR. Always returns -1. */
int interrupt_error(struct err *e);

/* The signals that have come so far are forgotten: only the next one makes the descriptor `fd` readable again. */
void interrupt_forget(int fd);

/* The work is done: signals that came are forgotten, and the next one ends the process, as it ends any other. */
void interrupt_obey(int fd);

/*
 * Waits until `fd` can be written to. False when `ms` (-1: no limit) have passed; and at once where a signal has come,
 * whether forgotten or not, since whoever sent it does not want to wait for a reader.
 */
bool interrupt_writable(int fd, int ms);

/* Sleeps `ms` milliseconds. Returns 0, or -1 as interrupt_error when the descriptor `fd` is readable. */
int interrupt_sleep(int fd, int ms, struct err *e) __attribute__((warn_unused_result));

/*
 * SIGTSTP, SIGTTIN and SIGTTOU, which stop a process, wait from now on (or no longer), on the calling thread and those that
 * it starts. A signal of the terminal takes any thread that lets it: all have to hold them.
 */
void interrupt_hold_stops(bool hold);

/* Unblocks all these signals again. */
void interrupt_release(void);

#endif
