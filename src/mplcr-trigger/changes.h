/* SPDX-License-Identifier: MIT */
/*
 * What we changed, in memory shared with the guardian. A change of the VM is noted *before* it is made, so that whoever
 * undoes never misses one: undoing what did not happen does nothing. A file is noted right *after* its name was claimed
 * (O_EXCL, mkdir), so that nobody else's is ever removed.
 */
#ifndef TRIGGER_CHANGES_H
#define TRIGGER_CHANGES_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "patched/changed.h"
#include "qemu/qmp.h"

#define MAX_FROZEN 64

struct changed_overlay {
	char path[PATH_MAX];
	char node[32];             /* "" where QEMU chooses it */
	char below[32];            /* node name of the image under it */
	char below_path[PATH_MAX]; /* and its path */
	int64_t made_ns;           /* modification time when it was made: unchanged means that nobody wrote to it */
};

struct changes {
	bool was_running; /* the VM ran when we came */
	bool run_state;   /* the VM may have been stopped by us, or by the migration that we started */
	bool migration;   /* a migration may have been started */
	bool pipe;        /* QEMU may hold our pipe under its name */
	/*
	 * The migration must not be broken off, since this QEMU hangs the VM then (`breakable` of engines). It is let
	 * run to its end, which is one copy of memory away, and what comes is dropped: that is why the guardian holds
	 * the pipe too.
	 */
	bool unbreakable;
	char capabilities[4096]; /* JSON to put back with migrate-set-capabilities, or "" */
	char parameters[4096];   /* JSON to put back with migrate-set-parameters, or "" */
	char partial[PATH_MAX];  /* directory to remove, or "" */
	char final[PATH_MAX];    /* its name once it is published: nothing is to be undone from then on */
	struct changed_patch patch;
	size_t n_overlays;
	struct changed_overlay overlays[MAX_FROZEN];
};

/* The name under which QEMU holds our pipe. */
#define PIPE_NAME "mplcr-state"

/* Shared memory for the list; NULL with an error when there is none. */
struct changes *changes_new(struct err *e);

/*
 * Sets migration capabilities (an object name -> bool; only those that differ are sent) and records what to put back.
 * The same for parameters. The objects are borrowed.
 */
int changes_capabilities(struct changes *c, struct qmp *q, const json_t *now, json_t *wanted, struct err *e);
int changes_parameters(struct changes *c, struct qmp *q, const json_t *now, json_t *wanted, struct err *e);

/* Puts capabilities and parameters back. Returns 0 or -1. */
int changes_put_back(struct changes *c, struct qmp *q, struct err *e);

/* Gives up the names that were claimed, of which nothing is used yet. */
void changes_release_names(struct changes *c);

/*
 * Takes everything back: cancels the migration, lets the VM run (or stand) as before, puts capabilities and parameters
 * back, commits overlays that are in use into the images under them, removes files. Goes on after a failed step.
 * Returns 0, or -1 with what stands and what to do about it.
 */
int changes_undo(struct changes *c, struct qmp *q, struct err *e);

/* Whether anything is recorded. */
bool changes_any(const struct changes *c);

#endif
