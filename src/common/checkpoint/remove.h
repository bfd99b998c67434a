/* SPDX-License-Identifier: MIT */
/*
 * Giving a checkpoint up. Whoever looks at any moment, even after a crash in the middle, finds either the whole
 * checkpoint or none: its directory NAME.ckpt first becomes NAME.ckpt.removed.partial, which no tool takes for a
 * checkpoint (names.h), and then goes, frozen clones and snapshots in it too. Images that stand elsewhere stay. VMs
 * that run on its memory files keep them until they end.
 *
 * Whether something still needs what is in the directory is for the caller to ask first (forest.h).
 */
#ifndef MPLCR_CKPT_REMOVE_H
#define MPLCR_CKPT_REMOVE_H

#include "base/err.h"

/*
 * Removes the checkpoint directory `dir` (which may be what is left of one: its name ends so), and what an earlier
 * removal of it that was interrupted has left. Returns 0, or -1: with status EXIT_PARTIAL where it is no checkpoint any
 * more but its remains could not all be removed.
 */
int checkpoint_remove(const char *dir, struct err *e) __attribute__((warn_unused_result));

/*
 * The same of the directory `name` below `dirfd`, and of what an earlier removal of it has left there; `shown` is its path
 * in messages. Links are not followed.
 */
int checkpoint_remove_at(int dirfd, const char *name, const char *shown, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Removes a directory that is no checkpoint, or not yet: the files in it, and the snapshot that its disks may be. Does
 * nothing where there is none. Returns 0 or -1.
 */
int checkpoint_dir_remove(const char *dir, struct err *e) __attribute__((warn_unused_result));

/* The same, but for the journal of what is to be undone (unfinished.h): the directory stays with that. Returns 0 or -1. */
int checkpoint_dir_clear(const char *dir, struct err *e) __attribute__((warn_unused_result));

#endif
