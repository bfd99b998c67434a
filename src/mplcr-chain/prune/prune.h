/* SPDX-License-Identifier: MIT */
/*
 * prune, which drops old checkpoints: plan.c says which, runs.c which overlays only they needed; merge.c merges those
 * offline, live.c lets the running VM do it, renew.c has the manifests tell of that; prune.c is the verb, report.c what it
 * says.
 */
#ifndef MPLCR_CHAIN_PRUNE_H
#define MPLCR_CHAIN_PRUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/path_list.h"
#include "change/journal/journal.h"
#include "checkpoint/forest/forest.h"
#include "image/chain.h"
#include "image/in_use.h"

/* A checkpoint of the forest, and what becomes of it. */
struct prune_checkpoint {
	size_t index;    /* in the forest */
	int64_t created; /* seconds since the epoch */
	bool drop;
	char *why;       /* it is kept, in words */
	uint64_t stored; /* bytes that dropping it frees */
};

/*
 * Overlays that are merged, one after the other, which only dropped checkpoints needed.
 *
 * Upwards, into the image above them: offline that is made anew; the image that a running VM writes to takes them in
 * itself. Downwards, where a running VM only reads the image above them, which somebody needs as it is: all but the lowest
 * of them go into that, on which the image above then is. No data of the image above is touched, and each overlay's are
 * copied once.
 */
struct prune_run {
	struct chain *chain; /* offline and upwards: of the image above them; downwards: of what the VM writes to */
	size_t at;           /* the image above them */
	size_t base;         /* its backing file then, an image of the chain; those between go */
	char *partial;       /* the new image */
	uint64_t freed;      /* bytes */
	bool live;           /* the VM does it */
	bool down;           /* and downwards */
	bool stays;          /* the VM could not: they stay, as `left` tells */
	int hold;            /* keeps VMs from writing to it meanwhile */
};

struct prune {
	const char *dir;    /* as given */
	const char *socket; /* of the VM that runs on the overlays, or NULL */
	const char *within; /* as given, or NULL */
	uint64_t keep;      /* checkpoints */
	bool keep_given;
	uint64_t within_s; /* seconds */
	uint64_t max_bandwidth; /* of the VM, bytes per second, 0: no limit */
	const char *of;   /* a checkpoint: only those of its VM count and go; or NULL */
	bool trust_paths; /* chains may lead out of the directory */
	bool dry_run, json;
	struct in_use use; /* one look at the processes for the whole plan; --assume-unused */
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

/* Says of each checkpoint whether it is kept. Returns 0 or -1. */
int prune_plan(struct prune *p, struct err *e);

/* Finds the overlays that can be merged when the dropped checkpoints are gone. */
void prune_find_runs(struct prune *p);

/* Whether nothing but the one image above it needs the image in the forest `f`. */
bool prune_is_free(const struct forest *f, const char *path);

/* The image that is made, or written to. */
const struct chain_image *prune_into(const struct prune_run *r);

/* Notes that the image stays, and why. */
void prune_stays(struct prune *p, const char *path, const struct err *why);

/*
 * Makes the images of the runs that no VM has open and the manifests that tell of them, and enters them into the journal.
 * Returns 0 or -1.
 */
int prune_prepare_runs(struct prune *p, struct journal *j, struct err *e);

/* Has the VM do the others. Returns 0 or -1. */
int prune_merge_live(struct prune *p, struct err *e);

/* Ends what the VM of an interrupted run may still be at. */
void prune_end_live(const struct prune *p);

/* Marks the images of the run in all manifests that have them in a chain (checkpoint/merging.h). Returns 0 or -1. */
int prune_mark(const struct forest *f, const struct prune_run *r, struct err *e);

/*
 * Where no VM is at work on marked images any more, the manifests tell what they are now, and the marks go. *renewed (may
 * be NULL) counts manifests. Returns 0 or -1.
 */
int prune_renew(struct prune *p, const struct forest *f, size_t *renewed, struct err *e);

/* Prints what was done, or would be. Returns 0 or -1. */
int prune_report(const struct prune *p, struct err *e);

#endif
