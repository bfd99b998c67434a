/* SPDX-License-Identifier: MIT */
/*
 * prune, which drops old checkpoints: plan.c says which, merge.c merges the overlays that only they needed, prune.c is
 * the verb and its report.
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

/* Overlays that are merged: those below `into`, one after the other, that only dropped checkpoints needed. */
struct prune_run {
	struct chain *chain; /* of the image that they are merged into, which is the first one */
	size_t base;         /* its backing file then, an image of the chain; those between go */
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

/* Says of each checkpoint whether it is kept. */
void prune_plan(struct prune *p);

/* Finds the overlays that can be merged when the dropped checkpoints are gone. */
void prune_find_runs(struct prune *p);

/* Makes the merged images and the manifests that tell of them, and enters them into the journal. Returns 0 or -1. */
int prune_prepare_runs(struct prune *p, struct journal *j, struct err *e);

#endif
