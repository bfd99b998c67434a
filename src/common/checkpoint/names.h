/* SPDX-License-Identifier: MIT */
/*
 * What a checkpoint and the files in it are called:
 *
 *   NAME.ckpt                   a checkpoint, whole
 *   NAME.ckpt.partial           one that is being made, or what is left of that
 *   NAME.ckpt.removed.partial   one that is being removed, or what is left of that
 *
 * Directories all; no tool takes one that ends in .partial for a checkpoint.
 */
#ifndef MPLCR_CHECKPOINT_NAMES_H
#define MPLCR_CHECKPOINT_NAMES_H

#include <stdbool.h>

#include "state/names.h"

#define CHECKPOINT_SUFFIX ".ckpt"
#define PARTIAL_SUFFIX ".partial"
#define REMOVED_SUFFIX ".removed" PARTIAL_SUFFIX

/* In the directory, beside the files of the state. */
#define MANIFEST_NAME "checkpoint.json"
#define TRACE_NAME "trace.jsonl"
#define UNFINISHED_NAME "undo.jsonl" /* until it is whole (unfinished.h) */
#define CLONES_DIR "disks"     /* the images that were cloned */
#define INCLUDED_DIR "include" /* the user's files that were included */

/* DIR/NAME.ckpt, and what it is called until it is whole; malloc'd. */
char *checkpoint_path(const char *dir, const char *name);
char *checkpoint_path_partial(const char *dir, const char *name);

/* Whether the last part of `path` is the name of a checkpoint, as mplcr-trigger gives it. */
bool checkpoint_is_named(const char *path);

/* Whether it is that of something unfinished, or half removed. Slashes at the end do not count. */
bool checkpoint_is_partial(const char *path);

/* Whether it is that of one that was being removed. */
bool checkpoint_is_removed(const char *path);

#endif
