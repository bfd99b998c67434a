/* SPDX-License-Identifier: MIT */
/*
 * The last step of a verb that changes images, so that it is done as a whole: new files that were prepared get their
 * names, then old ones that nothing needs any more go. What is to be done is stored first, in a file; a run that was
 * killed in the middle is finished by the next one. Before the journal is stored, nothing has changed; from then on, all
 * of it will.
 *
 * A file that says what is to be removed is a weapon in the wrong hands, so little of it is believed:
 *
 * It is obeyed only where this user signed it on this host (base/key.h), for the very directory and name that it has.
 *
 * It names files by their directories, which are those of the operation, and a name without a slash; each directory and
 * file with its identity (filesystem, inode, size, ctime). What is not that file any more is left alone. All is done relative
 * to the opened directories, and no link is followed. A directory goes with its content only where the operation made it.
 *
 * That something is not needed any more it cannot say at all: the images themselves do, when it is about to go.
 *
 * parts.h: what it is made of; write.c, read.c; proof.c: what is needed; run.c: what is done; claims.c: who is told.
 */
#ifndef MPLCR_CHAIN_JOURNAL_H
#define MPLCR_CHAIN_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/path_list.h"

struct journal;

/* What a run did. To be released with journal_result_release. */
struct journal_result {
	bool found;               /* there was a journal */
	bool obsolete;            /* it was not to be done any more: nothing was, and what was prepared is gone */
	uint64_t freed;           /* bytes */
	struct path_list removed; /* paths */
	struct path_list left;    /* "'PATH' stays: WHY" of what was to go */
};

/* --- writing ---------------------------------------------------------------------------------------------------- */

/* One that is to be stored at `path`, whose directory exists; NULL with an error. To be freed with journal_free. */
struct journal *journal_new(const char *path, struct err *e);
void journal_free(struct journal *j);

/*
 * The file or directory `from`, which is there when the journal is stored, becomes `to`, in place of the file that is
 * there now: call this before `from` is made of it. Returns 0 or -1.
 */
int journal_rename(struct journal *j, const char *from, const char *to, struct err *e)
	__attribute__((warn_unused_result));

/*
 * The file, as it is now, goes. Overlays come before their backing files, images before their data files. Returns 0 or -1.
 */
int journal_remove(struct journal *j, const char *path, struct err *e) __attribute__((warn_unused_result));

/* The checkpoint directory goes, before all files. Returns 0 or -1. */
int journal_remove_checkpoint(struct journal *j, const char *dir, struct err *e) __attribute__((warn_unused_result));

/* The image at `path` must have a whole chain when all is renamed, without what goes. Returns 0 or -1. */
int journal_top(struct journal *j, const char *path, struct err *e) __attribute__((warn_unused_result));

/* The directory, which this operation made, goes at last, with all that is left in it. Returns 0 or -1. */
int journal_scratch(struct journal *j, const char *dir, struct err *e) __attribute__((warn_unused_result));

/* Stores it, in place of what was stored before. Returns 0 or -1. */
int journal_store(struct journal *j, struct err *e) __attribute__((warn_unused_result));

/* Removes what was prepared, and the journal where it is stored. */
void journal_abandon(struct journal *j);

/* --- obeying ---------------------------------------------------------------------------------------------------- */

/*
 * Does what the journal at `path`, which this run stored, says, and removes it. Returns 0, or -1: with status
 * EXIT_PARTIAL where journal_recover can go on later.
 */
int journal_run(const char *path, struct journal_result *done, struct err *e) __attribute__((warn_unused_result));

/*
 * The same with that of an interrupted run; nothing where there is none. Nobody has looked around since: where anything
 * cannot be read that might need a file, the file stays. A journal that is not to be obeyed is shown, and -1 returned.
 */
int journal_recover(const char *path, struct journal_result *done, struct err *e) __attribute__((warn_unused_result));

void journal_result_release(struct journal_result *r);

/*
 * Keeps others that do this away from the directory `dir`, while the returned descriptor is open. Returns -1 where one
 * is at work there.
 */
int journal_lock(const char *dir, struct err *e);

#endif
