/* SPDX-License-Identifier: MIT */
/*
 * The list of our changes, in memory shared with the guardian. We note a change of the VM *before* making it, so that
 * the undo never misses one: undoing a change that did not happen does nothing. We note a file right *after* claiming
 * its name (O_EXCL, mkdir), so that we never remove anybody else's; while we claim it, only what is empty goes.
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

struct unfinished_journal;

struct changed_overlay {
	char path[PATH_MAX];
	char node[32];             /* "" where QEMU chooses it */
	char below[32];            /* node name of the image under it */
	char below_path[PATH_MAX]; /* and its path */
	int64_t made_ns;           /* its first modification time: unchanged if nobody wrote to it */
	bool half_made;            /* it was no image yet when the power went: nobody has written to it */
};

struct changes {
	/*
	 * Where the tool also writes it all down, for recover: its alone, the guardian's undo must not follow it. NULL: nowhere
	 * yet.
	 */
	struct unfinished_journal *journal;
	bool at_work;     /* run state or migration are ours to undo, until the engine has ended well: for the journal */
	bool was_running; /* the VM ran when we came */
	bool run_state;   /* the VM may have been stopped by us, or by the migration that we started */
	bool migration;   /* a migration may have been started */
	bool pipe;        /* QEMU may hold our pipe under its name */
	int pipe_end;     /* a descriptor of the pipe's end for reading, in this process and the guardian: only to be looked at */
	/*
	 * The migration must not be cancelled, since this QEMU would then hang the VM (`breakable` of engines). We let
	 * it run to its end, one copy of memory away, and drop its data; for that the guardian holds the pipe, too.
	 */
	bool unbreakable;
	char capabilities[4096]; /* JSON to put back with migrate-set-capabilities, or "" */
	char parameters[4096];   /* JSON to put back with migrate-set-parameters, or "" */
	char claiming[PATH_MAX]; /* a name that is being claimed, or "" */
	char partial[PATH_MAX];  /* directory to remove, or "" */
	char final[PATH_MAX];    /* its name once published; from then on there is nothing to undo */
	struct changed_patch patch;
	size_t n_overlays;
	struct changed_overlay overlays[MAX_FROZEN];
};

/* The block job that takes an overlay back. */
#define UNDO_JOB "mplcr-undo"

/* The name under which QEMU holds our pipe. */
#define PIPE_NAME "mplcr-state"

/*
 * And that of the pipe's other end, which QEMU is given, too, where its migration must not fail: when we and the guardian
 * have died, QEMU waits for a reader instead, and recover is one.
 */
#define PIPE_KEPT_NAME "mplcr-state-kept"

/* Shared memory for the list; NULL with an error when there is none. */
struct changes *changes_new(struct err *e);

/*
 * Sets migration capabilities (an object name -> bool; sends only those that differ) and records the old values. The
 * same for parameters. The objects are borrowed.
 */
int changes_capabilities(struct changes *c, struct qmp *q, const json_t *now, json_t *wanted, struct err *e);
int changes_parameters(struct changes *c, struct qmp *q, const json_t *now, json_t *wanted, struct err *e);

/*
 * Writes what is about to be changed in the VM into the journal, where there is one, unless it says so already. Not in the
 * pause. Returns 0 or -1.
 */
int changes_note(const struct changes *c, struct err *e) __attribute__((warn_unused_result));

/* We are about to stop the VM or to start a migration: as changes_note. */
int changes_note_work(struct changes *c, struct err *e) __attribute__((warn_unused_result));

/* Puts capabilities and parameters back. Returns 0 or -1. */
int changes_put_back(struct changes *c, struct qmp *q, struct err *e);

/* Notes an overlay whose file is claimed, and returns it; the texts as in struct changed_overlay. */
struct changed_overlay *changes_add_overlay(struct changes *c, const char *path, const char *node, const char *below,
					    const char *below_path);

/* A name that was free is claimed from now on; NULL: it was, or could not be. */
void changes_claiming(struct changes *c, const char *path);

/* Removes what a claim that was cut short has made: an empty file or directory. */
void changes_unclaim(struct changes *c);

/* Gives up the claimed names, none of which is used yet. */
void changes_release_names(struct changes *c);

/*
 * Takes everything back: cancels the migration, resumes or pauses the VM as before, puts capabilities and parameters
 * back, commits overlays in use into their backing files, removes files. Goes on after a failed step, and waits for QEMU as
 * long as that lives (qmp_be_patient), up to the deadline of `q`. Returns 0, or -1 with what is left and what to do about
 * it; where the wait was given up (qmp_gave_up) the list is as before.
 */
int changes_undo(struct changes *c, struct qmp *q, struct err *e);

/* The same where QEMU is gone: only files are left. Overlays that anyone uses or has written to stay, and are told of. */
int changes_leave(struct changes *c, struct err *e);

/* Whether anything is recorded. */
bool changes_any(const struct changes *c);

#endif
