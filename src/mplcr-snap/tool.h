/* SPDX-License-Identifier: MIT */
/*
 * mplcr-snap, the map of the tool. Each verb is a file of its name:
 *
 *   main.c        the verbs
 *   overlay.c     a new overlay: on an image that no VM uses (overlay_file.c), or on all disks of a running VM at once
 *                 (overlay_live.c)
 *   reflink.c     copies of a set of files that share their data
 *   subvolume.c   a btrfs snapshot
 *   list.c        what sets, overlays, checkpoints and snapshots are there
 *   remove.c      removes them, unless something uses them
 *   probe.c       what a filesystem can do
 *
 * What reflink does with a set of copies is in a room of its own: set/set.h. The files of a set are told from others by
 * set/mark.h.
 *
 * And these are asked by several:
 *
 *   in_use.c      what running VMs write to
 *   found.c       what is below a directory
 */
#ifndef MPLCR_SNAP_TOOL_H
#define MPLCR_SNAP_TOOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/cli.h"
#include "base/err.h"
#include "base/options.h"
#include "checkpoint/forest/forest.h"
#include "image/in_use.h"
#include "base/path_list.h"
#include "set/mark.h"
#include "qemu/disk_choice.h"

/* The verbs: main.c's table. */
extern const struct cli verb_overlay, verb_reflink, verb_subvolume, verb_list, verb_remove, verb_probe;

/* --- in use (in_use.c) ------------------------------------------------------------------------------------------ */

/* Whether we run inside a pause of mplcr-trigger's (MPLCR_AT_FREEZE=1): nobody writes to images that VMs have open. */
bool in_frozen_pause(void);

/*
 * Says in *e that a process has the image at `path` open for writing, and who; `why` is what comes of that. Always
 * returns -1.
 */
int in_use_error(struct in_use *use, const char *path, const char *why, struct err *e);

/* For what copies: where processes that may write to the files cannot be seen, that is said. */
void in_use_say_blind(struct in_use *use);

/* --- overlays (overlay_file.c, overlay_live.c) ------------------------------------------------------------------ */

struct overlay_options {
	const char *backing_format; /* NULL: by the content */
	bool absolute;
	bool force; /* on an image that a VM writes to */
	bool trust_paths; /* the chain may lead out of the tree of the image */
	const char *socket;
	const char *name; /* NULL: the next free one */
	struct disk_choices devices; /* --device */
	bool json;
};

/* Makes the overlay on a file, or those of a running VM, and prints what was made. Returns 0 or -1. */
int overlay_file(const struct overlay_options *o, const char *backing, const char *overlay, struct err *e);
int overlay_live(const struct overlay_options *o, struct err *e);

/* Leaves the claim (checkpoint/claim.h) of the overlay with its backing file, where it needs one; says why it cannot. */
void leave_claim(const char *base, const char *overlay);

/* --- what is there (found.c) ------------------------------------------------------------------------------------ */

/* A set that reflink made. */
struct found_set {
	char mark[MARK_SIZE];
	char *dir;              /* the directory that it is, or NULL where its files lie among others */
	struct path_list files; /* absolute paths */
	uint64_t bytes;         /* sizes of the files */
};

struct found {
	struct forest *forest;
	struct found_set *sets;
	size_t n_sets;
	struct path_list snapshots; /* roots of subvolumes; what is in them is their content, not further things */
};

/* Looks through the directories; `use` as for forest_read. Returns 0 or -1. To be released in any case. */
int found_read(struct found *f, char *const *dirs, size_t n, struct in_use *use, struct err *e);
void found_release(struct found *f);

/* The set that the file, or the directory, at that absolute path belongs to, or NULL. */
const struct found_set *found_set_of(const struct found *f, const char *path);
/* The checkpoint whose directory it is, or FOREST_NONE. */
size_t found_checkpoint(const struct found *f, const char *path);
/* Whether the path is in one of the snapshots, or in the directory of a checkpoint. */
bool found_inside(const struct found *f, const char *path);

#endif
