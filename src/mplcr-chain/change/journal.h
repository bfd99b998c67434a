/* SPDX-License-Identifier: MIT */
/*
 * The last step of a verb that changes images, so that it is done as a whole: new files that were prepared get their
 * names, then old ones that nothing needs any more go. What is to be done is stored first; a run that was killed in the
 * middle is finished by the next one. Before the journal is stored, nothing has changed; from then on, all of it will.
 *
 * A journal is obeyed only where it is our own user's file, and a file that is not what it was when the journal was
 * stored is not touched: a VM may have been started on it since.
 */
#ifndef MPLCR_CHAIN_JOURNAL_H
#define MPLCR_CHAIN_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/path_list.h"

/* What a run did. To be released with journal_result_release. */
struct journal_result {
	bool found;               /* there was a journal */
	bool obsolete;            /* files had changed: nothing was done, and what was prepared is gone */
	uint64_t freed;           /* bytes */
	struct path_list removed; /* paths */
	struct path_list left;    /* "'PATH' stays: WHY" of files that were to go */
};

/*
 * A journal, the caller's (json_decref). With `check_needed`, a file goes only where nothing below its directory needs
 * it at that time (forest.h).
 */
json_t *journal_new(bool check_needed);

/* `from` becomes `to`, in place of what is there now. Returns 0 or -1. */
int journal_rename(json_t *journal, const char *from, const char *to, struct err *e)
	__attribute__((warn_unused_result));

/* The file goes. Overlays come before their backing files. Returns 0 or -1. */
int journal_remove(json_t *journal, const char *path, struct err *e) __attribute__((warn_unused_result));

/* The checkpoint directory goes, before all files. Returns 0 or -1. */
int journal_remove_checkpoint(json_t *journal, const char *dir, struct err *e) __attribute__((warn_unused_result));

/* The directory goes, with all that is left in it, at last. Returns 0 or -1. */
int journal_remove_directory(json_t *journal, const char *dir, struct err *e) __attribute__((warn_unused_result));

/* Removes what was prepared for a journal that is not stored. */
void journal_abandon(const json_t *journal);

/* Stores the journal at `path`. Returns 0 or -1. */
int journal_store(const json_t *journal, const char *path, struct err *e) __attribute__((warn_unused_result));

/*
 * Does what the journal at `path` says, and removes it; nothing where there is none. Returns 0, or -1: with status
 * EXIT_PARTIAL where a run of it later can go on.
 */
int journal_run(const char *path, struct journal_result *done, struct err *e) __attribute__((warn_unused_result));

void journal_result_release(struct journal_result *r);

/*
 * Keeps others that do this away from the directory `dir`, while the returned descriptor is open. Returns -1 where one
 * is at work there.
 */
int journal_lock(const char *dir, struct err *e);

#endif
