/* SPDX-License-Identifier: MIT */
/*
 * The way of the state from QEMU into the checkpoint. A transport is a row; the engine names its own, and the user may
 * have the state sent elsewhere instead (--uri). Order of calls: open and uri before the pause, failure any number of
 * times while the engine runs, finish after it, release always.
 */
#ifndef TRIGGER_TRANSPORT_H
#define TRIGGER_TRANSPORT_H

#include <stdbool.h>

#include "base/err.h"

struct changes;
struct engine;
struct manifest;
struct options;
struct qmp;
struct sink_result;
struct survey;

/* The means of a transport; borrowed. */
struct transport_ends {
	int *pipe; /* [0] to read; the guardian has it, too. An end taken over becomes -1 */
	bool keep; /* QEMU gets the end to read, too, so that it never finds the pipe broken */
	int dirfd; /* the checkpoint's directory */
	const struct manifest *parent; /* whose memory it may begin with, or NULL */
	const struct options *options;
	const struct survey *survey;
	struct changes *changes;
	struct qmp *q;
};

struct transport {
	bool stores; /* it stores the state in the checkpoint; if not, it only needs `uri` */
	/* Prepares to receive the state. Returns the `own` of the other calls, or NULL with an error. */
	void *(*open)(const struct transport_ends *ends, struct err *e);
	/* The URI for QEMU's "migrate"; borrowed from `own` or the options. */
	const char *(*uri)(const void *own, const struct options *o);
	/* Why our side failed while QEMU was still sending (the transport's), or NULL if it did not. */
	const struct err *(*failure)(const void *own);
	/* Waits for the end of the state, and makes it durable. Returns the result (the transport's), or NULL. */
	const struct sink_result *(*finish)(void *own, struct err *e);
	void (*release)(void *own);
};

extern const struct transport transport_pipe, transport_elsewhere;

/* The engine's transport, or elsewhere if the user asked for it. */
const struct transport *transport_for(const struct engine *engine, const struct options *o);

/* The pipe for a transport that needs one, [0] to read; made before the guardian is. Returns 0 or -1. */
int transport_make_pipe(int ends[2], struct err *e);

#endif
