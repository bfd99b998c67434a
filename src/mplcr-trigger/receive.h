/* SPDX-License-Identifier: MIT */
/* The migration stream on its way from QEMU into the checkpoint: pipe, thread, sink. */
#ifndef TRIGGER_RECEIVE_H
#define TRIGGER_RECEIVE_H

#include "changes.h"
#include "options.h"
#include "state/sink.h"
#include "survey.h"

struct receiver;

/* The pipe, [0] to read. Its ends are -1 once they were handed over. Returns 0 or -1. */
int receive_pipe(int ends[2], struct err *e);
/*
 * Opens the sink, hands the pipe to QEMU and starts the thread that reads it, to its end in any case: what comes after
 * a failure is dropped. Takes over the ends. Returns NULL with an error.
 */
struct receiver *receive_start(int ends[2], int dirfd, const struct options *o, const struct survey *s, struct qmp *q,
			       struct changes *c, struct err *e);
/* Why our side failed while QEMU was still sending (the receiver's), or NULL where it did not. */
const struct err *receive_failure(const struct receiver *r);
/* Waits until the stream has ended, and makes the files durable. Returns the result (the receiver's), or NULL. */
const struct sink_result *receive_finish(struct receiver *r, struct err *e);
void receive_free(struct receiver *r);

#endif
