/* SPDX-License-Identifier: MIT */
/*
 * The verbs of mplcr-chain that change things, and what they share:
 *
 *   shorten.c          makes a chain shorter: what is to be merged into what        -> struct shorten
 *   shorten_offline.c  ... with qemu-img
 *   shorten_live.c     ... with jobs of the VM that runs on it
 *   prune.c            drops old checkpoints: the verb and its report
 *   prune_plan.c       ... which of them                                            -> struct prune
 *   prune_merge.c      ... and merges the overlays that only they needed
 *   relocate.c         moves or copies a set of images
 *   relocate_set.c     ... what belongs to it, and where it goes                    -> struct set
 *   relocate_copy.c    ... the copies, with names that resolve where they are
 *   merge.c            an image made anew on another backing file
 *   manifest_edit.c    manifests that are changed
 *   guard.c            whether an image may be changed at all
 *   journal.c          the last step, done as a whole
 *
 * An image that others may see is never written to while anything else needs it; what replaces it is made beside it
 * under another name, made durable, and renamed.
 */
#ifndef MPLCR_CHAIN_CHANGE_H
#define MPLCR_CHAIN_CHANGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/chain.h"
#include "base/err.h"
#include "checkpoint/forest/forest.h"
#include "base/path_list.h"

/* --- whether an image may be changed (guard.c) ------------------------------------------------------------------ */

/* Whether the image can be made anew or go: one name, no seal, not encrypted, nothing in it that would be lost. */
int guard_image(const struct chain_image *image, bool goes, struct err *e);

/*
 * Whether the images of `c` that are `touched` (by index) can be, since nothing but images of the chain itself needs
 * them, as far as can be seen below the chain's directories. `live`: the VM that has them open does it itself.
 */
int guard_needed(const struct chain *c, const bool *touched, bool live, struct err *e);

/* Warns of directories that the forest does not know. */
void guard_warn_unread(const struct forest *f);

/*
 * Keeps VMs from opening the image for writing while the returned descriptor is open. Returns -1 where one has it open
 * so already.
 */
int guard_hold(const char *path, struct err *e);

/* Who runs on the memory files of the checkpoint: "the VM of process 42 …", malloc'd, or NULL. */
char *guard_memory(const struct manifest *m, const char *dir);

/* Whether the filesystem of `path` has `bytes` left. Returns 0 or -1. */
int guard_space(const char *path, uint64_t bytes, struct err *e);

/* --- an image on another backing file (merge.c) ----------------------------------------------------------------- */

struct merge {
	const char *path;        /* the image, a qcow2 one */
	const char *partial;     /* the new one, beside it */
	const char *base;        /* what it is to stand on, as its header is to say, or NULL: on nothing */
	const char *base_format; /* or NULL */
};

/*
 * Makes the file `partial`, with the guest data that the image has now and everything else of it too, durable. One that
 * an earlier run left there goes. Returns 0 or -1; nothing is left then.
 */
int merge_build(const struct merge *m, int interrupt, struct err *e);

/* The bytes that it takes at most, of those between the two: `above` in the chain, to `below` (c->n: all). */
uint64_t merge_bytes(const struct chain *c, size_t above, size_t below);

/* The name of image `below` in a header of image `above`: relative where the names between them are. Malloc'd. */
char *merge_name(const struct chain *c, size_t above, size_t below);

/* --- manifests that are changed (manifest_edit.c) --------------------------------------------------------------- */

/* The JSON of the manifest at `file`, the caller's, or NULL. */
json_t *manifest_edit_load(const char *file, struct err *e);

/* Writes it durably to `file`, which no one reads yet: what an earlier run left there goes. Returns 0 or -1. */
int manifest_edit_store(const json_t *json, const char *file, struct err *e);

/* --- shorten ---------------------------------------------------------------------------------------------------- */

struct shorten {
	const char *image;  /* as given */
	const char *socket; /* of the VM, or NULL */
	const char *into;   /* or NULL */
	uint64_t keep;      /* images, 0 where not given */
	bool leave;         /* the files of merged layers stay */
	bool json;
	int interrupt;

	char *top;     /* absolute path, without links */
	char *journal; /* its journal */
	char *partial; /* the new image that is to take its place */
	struct chain *chain;
	size_t base;       /* the image that the top is to stand on; chain->n: none */
	bool down;         /* layers are merged into that, not into the top */
	size_t first, end; /* the layers that are not needed then: from first to before end */
};

/* Merge as planned, all but the end: the journal says what goes then. Return 0 or -1. */
int shorten_offline(const struct shorten *s, struct err *e);
int shorten_live(const struct shorten *s, struct err *e);

/* Stores what is to be done at the end: `partial` (may be NULL) becomes the top, and the layers go. Returns 0 or -1. */
int shorten_store_journal(const struct shorten *s, const char *partial, struct err *e);

/* --- prune ------------------------------------------------------------------------------------------------------ */

/* A checkpoint of the forest, and what becomes of it. */
struct prune_checkpoint {
	size_t index;    /* in the forest */
	int64_t created; /* seconds since the epoch */
	bool drop;
	char *why;       /* it is kept, in words */
	uint64_t stored; /* bytes that dropping it frees */
};

/* Overlays that are merged: those below `into`, one after the other, that only dropped checkpoints needed. */
struct prune_run {
	struct chain *chain; /* of the image that they are merged into, which is the first one */
	size_t base;         /* the image of the chain that it stands on then; those between go */
	char *partial;       /* the new image */
	uint64_t freed;      /* bytes */
	bool live;           /* by the VM that writes to it */
	int hold;            /* keeps VMs from writing to it meanwhile */
};

struct prune {
	const char *dir;    /* as given */
	const char *socket; /* of the VM that runs on the overlays, or NULL */
	const char *within; /* as given, or NULL */
	uint64_t keep;      /* checkpoints */
	bool keep_given;
	uint64_t within_s; /* seconds */
	bool dry_run, json;
	int interrupt;

	char *root; /* the directory, absolute, without links */
	char *journal;
	struct forest *forest;
	struct prune_checkpoint *checkpoints; /* the newest first */
	size_t n;
	struct prune_run *runs;
	size_t n_runs;
	struct path_list left; /* "'PATH' stays: WHY" of overlays that are not merged */
};

/* How the names of images end that are not complete yet. */
#define PRUNE_PARTIAL ".prune.partial"

/* Says of each checkpoint whether it is kept. */
void prune_plan(struct prune *p);

/* Finds the overlays that can be merged when the dropped checkpoints are gone. */
void prune_find_runs(struct prune *p);

/* Makes the merged images and the manifests that tell of them, and enters them into the journal. Returns 0 or -1. */
int prune_prepare_runs(struct prune *p, json_t *journal, struct err *e);

/* --- relocate --------------------------------------------------------------------------------------------------- */

/* One file of the set. */
struct set_file {
	char *from, *to; /* absolute paths: now, and then */
	char *staged;    /* and until all of them are complete */
	bool image;
	bool inside;     /* it is in the checkpoint directory */
	bool rewrite;    /* its header would not lead to the right files any more */
	size_t below;    /* the file that it stands on, or SIZE_MAX */
	size_t data;     /* its external data file, or SIZE_MAX */
	char *data_name; /* as its header names it */
	char *format;    /* of an image, as QEMU calls it */
	uint64_t bytes;  /* stored */
};

struct set {
	const char *operand; /* as given */
	const char *to;
	bool copy, json;
	bool made; /* the directory `to` was made for it */
	int interrupt;

	char *from; /* the operand: absolute, without links */
	char *root; /* the directory that it lies in; what is below it keeps its place below dest */
	char *dest, *staging, *journal;
	struct manifest *m;     /* of a checkpoint, else NULL */
	struct set_file *files; /* images after those that they stand on */
	size_t n;
	uint64_t bytes, done;
};

/* Finds what belongs to the set, and where each file goes. Returns 0 or -1. */
int set_collect(struct set *s, struct err *e);

/* The file of the set that is the file `path` now, or SIZE_MAX. */
size_t set_find(const struct set *s, const char *path);

/* Makes and checks the new set in the staging directory. Returns 0 or -1. */
int set_stage(struct set *s, struct err *e);

#endif
