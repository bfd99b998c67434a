/* SPDX-License-Identifier: MIT */
/*
 * How the state gets from QEMU into the checkpoint. A transport is a row; the engine says which one it uses, and the
 * user may have the state sent elsewhere instead (--uri). Order of calls: open and uri before the
 * pause, failure as often as wanted while the engine runs, finish after it, release always.
 */
#ifndef TRIGGER_TRANSPORT_H
#define TRIGGER_TRANSPORT_H

#include <stdbool.h>

#include "base/err.h"

struct changes;
struct engine;
struct options;
struct qmp;
struct sink_result;
struct survey;

/* What a transport works with; borrowed. */
struct transport_ends {
	int *pipe; /* [0] to read; the guardian has it, too. An end that is taken over is -1 from then on */
	int dirfd; /* the checkpoint's directory */
	const struct options *options;
	const struct survey *survey;
	struct changes *changes;
	struct qmp *q;
};

struct transport {
	bool stores; /* the state is stored in the checkpoint. Where it is not, `uri` is all that is needed */
	/* Makes ready for the state to come. Returns what the other calls take as `own`, or NULL with an error. */
	void *(*open)(const struct transport_ends *ends, struct err *e);
	/* The URI for QEMU's "migrate"; borrowed from `own` or the options. */
	const char *(*uri)(const void *own, const struct options *o);
	/* Why our side failed while QEMU was still sending (the transport's), or NULL where it did not. */
	const struct err *(*failure)(const void *own);
	/* Waits until the state is there, and makes it durable. Returns the result (the transport's), or NULL. */
	const struct sink_result *(*finish)(void *own, struct err *e);
	void (*release)(void *own);
};

extern const struct transport transport_pipe, transport_elsewhere;

/* That of the engine, or, where the user wishes so, elsewhere. */
const struct transport *transport_for(const struct engine *engine, const struct options *o);

/* The pipe for a transport that needs one, [0] to read; made before the guardian is. Returns 0 or -1. */
int transport_make_pipe(int ends[2], struct err *e);

#endif
