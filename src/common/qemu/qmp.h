/* SPDX-License-Identifier: MIT */
/*
 * A client of QEMU's machine protocol (docs/interop/qmp-spec.rst of QEMU): JSON objects, one a line, over a UNIX
 * socket.
 *
 * The peer is not trusted: a line longer than 16 MiB, bytes that are not JSON, an answer with a wrong id, silence and a
 * closed connection are all errors, after which qmp_alive() is false and every call fails at once. An error that QEMU
 * itself answers leaves the connection alive.
 *
 * Events are kept in order until qmp_event takes them. Waits end at the deadline (qmp_set_deadline) and when the
 * interrupt descriptor (qmp_set_interrupt) becomes readable.
 *
 * One client at a time holds a QMP socket; a second one connects but gets no greeting.
 */
#ifndef MPLCR_QMP_H
#define MPLCR_QMP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct qmp;

/* Sees every object that is sent ('>') or received ('<'), for a trace. The object is borrowed. */
typedef void qmp_watcher(void *ctx, char direction, const json_t *object);

/*
 * Connects to the socket at `path`, waits for the greeting at most `wait_ms` milliseconds and negotiates. `interrupt`
 * is as in qmp_set_interrupt, and counts from here on. Returns the client, to be ended with qmp_close, or NULL.
 */
struct qmp *qmp_connect(const char *path, int wait_ms, int interrupt, struct err *e);

void qmp_close(struct qmp *q);

/* Who listens: process, user and group (SO_PEERCRED). Returns 0 or -1. */
int qmp_peer(const struct qmp *q, pid_t *pid, uid_t *uid, gid_t *gid, struct err *e);

/* The path that qmp_connect was given. */
const char *qmp_path(const struct qmp *q);

/*
 * Takes the turn at the VM (turn.h), waiting for it at most `wait_ms` milliseconds, and has it until qmp_close: for all who
 * are to change the VM, before they look at it. Returns 0 or -1.
 */
int qmp_take_turn(struct qmp *q, int wait_ms, struct err *e) __attribute__((warn_unused_result));

/* The descriptors that the connection needs, and that of its turn, for a process that is to keep them only; -1: none. */
#define QMP_DESCRIPTORS 3
void qmp_descriptors(const struct qmp *q, int fds[QMP_DESCRIPTORS]);

/* QEMU's version from the greeting, as major × 10000 + minor × 100 + micro: 70222 for 7.2.22. */
int qmp_version(const struct qmp *q);

/* Whether the connection can still be used. */
bool qmp_alive(const struct qmp *q);

/* No wait lasts beyond `deadline` (clock.h; CLOCK_NEVER at first). */
void qmp_set_deadline(struct qmp *q, int64_t deadline);

/* Every wait also ends, with an error, when `fd` is readable; -1 for none. The descriptor is the caller's. */
void qmp_set_interrupt(struct qmp *q, int fd);

void qmp_set_watcher(struct qmp *q, qmp_watcher *watcher, void *ctx);

/*
 * Runs a command: `arguments` (may be NULL; taken over), the answer's "return" into *ret where `ret` is given (the
 * caller's). Returns 0, or -1 with QEMU's own words.
 */
int qmp_run(struct qmp *q, const char *command, json_t *arguments, json_t **ret, struct err *e)
	__attribute__((warn_unused_result));

/* As qmp_run, and passes the descriptor `fd` along (SCM_RIGHTS), for getfd. */
int qmp_run_fd(struct qmp *q, const char *command, json_t *arguments, int fd, struct err *e)
	__attribute__((warn_unused_result));

/*
 * The next event, waiting for it until `until` (clock.h) at most: *event gets it (the caller's), or NULL where none
 * came in time. Returns 0 or -1.
 */
int qmp_event(struct qmp *q, int64_t until, json_t **event, struct err *e) __attribute__((warn_unused_result));

/* Drops the events that have come with answers so far: what somebody else has done to the VM before. */
void qmp_forget_events(struct qmp *q);

/* Microseconds of QEMU's wall clock in an event's time stamp, or 0. */
int64_t qmp_event_time_us(const json_t *event);

/*
 * For one who has to get through to QEMU, however slow that is: from now on an answer is waited for as long as QEMU lives,
 * up to the deadline; a connection that closed is made anew, again and again, and the command sent again. After 2 s,
 * and then at growing intervals, cli_tell says what is waited for; from then on the interrupt descriptor ends the wait,
 * too.
 */
void qmp_be_patient(struct qmp *q);

/* Whether a patient wait was ended by the deadline or the interrupt: every call fails from then on. */
bool qmp_gave_up(const struct qmp *q);

/* The first moments of a patient wait, in which it is neither told of nor interrupted. */
#define QMP_QUIET_MS 2000

/*
 * One more try of something else that has to succeed, the `n`th from 0 on: sleeps (2 ms at first, 10 s in the end), tells
 * what is waited for, as qmp_be_patient. Returns 0, or -1 when it has to be given up.
 */
int qmp_try_again(struct qmp *q, unsigned n, const char *what, struct err *e) __attribute__((warn_unused_result));

/* The process at the other end, in words: "QEMU (process 123)". Returns `text`. */
const char *qmp_peer_name(const struct qmp *q, char text[40]);

/*
 * For one who takes over a connection whose former user may have died in the middle of a command: makes QEMU's parser
 * forget a half command (a control character does; QEMU docs/interop/qmp-spec.rst, "Forcing the JSON parser into
 * known-good state"), and from now on skips answers to commands that are not ours. A connection that was closed is made
 * anew, if the same process still listens. Fails, for one who is patient, only where QEMU is gone or the wait was given up.
 */
int qmp_take_over(struct qmp *q, struct err *e) __attribute__((warn_unused_result));

#endif
