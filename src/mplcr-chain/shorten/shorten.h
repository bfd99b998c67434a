/* SPDX-License-Identifier: MIT */
/*
 * shorten, which makes a chain shorter: shorten.c finds what is to be merged into what; offline.c does it with qemu-img,
 * live.c with jobs of the VM that runs on the chain.
 */
#ifndef MPLCR_CHAIN_SHORTEN_H
#define MPLCR_CHAIN_SHORTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "change/journal/journal.h"
#include "image/chain.h"
#include "image/in_use.h"

struct shorten {
	const char *image;  /* as given */
	const char *socket; /* of the VM, or NULL */
	const char *into;   /* or NULL */
	uint64_t keep;      /* images, 0 where not given */
	bool leave;         /* the files of merged layers stay */
	bool trust_paths;   /* the chain may lead out of the tree of the image */
	bool json;
	struct in_use use; /* --assume-unused */
	int interrupt;

	char *top;     /* absolute path, without links */
	char *journal; /* its journal */
	char *partial; /* the new image that is to take its place */
	struct chain *chain;
	size_t at;         /* the image that gets another backing file: the top or, live and down, one below it */
	size_t base;       /* what that is to be, an image of the chain; chain->n: none */
	bool down;         /* layers are merged into that, not into the image above them */
	size_t first, end; /* the layers that are not needed then: from first to before end */

	uint64_t max_bandwidth;                     /* live: bytes per second, 0: no limit */
	int (*begins)(void *ctx, struct err *e);    /* live: called before the VM begins; may be NULL. Returns 0 or -1 */
	void *ctx;                                  /* of it */
};

/* Whether image `i` of the chain is changed, or goes. */
bool shorten_touches(const struct shorten *s, size_t i);

/* Merge as planned, all but the end: the journal says what goes then. Return 0 or -1. */
int shorten_offline(struct shorten *s, struct err *e);

/* -1 with e->sys EBUSY: it is not for this VM to do, or not now, and nothing was changed. */
int shorten_live(struct shorten *s, struct err *e);

/* Ends the job of a run that was killed, where the VM is still at it. Returns 0 or -1. */
int shorten_end_job(const char *socket, int interrupt, struct err *e);

/*
 * What is to be done at the end: `partial` (may be NULL), which is yet to be made, becomes the top that is there now, and
 * the layers go, if they are then what they are now. The caller's, or NULL.
 */
struct journal *shorten_journal(const struct shorten *s, const char *partial, struct err *e);

/* Makes such a journal without `partial`, and stores it. Returns 0 or -1. */
int shorten_store_journal(const struct shorten *s, struct err *e);

#endif
