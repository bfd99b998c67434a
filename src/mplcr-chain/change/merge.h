/* SPDX-License-Identifier: MIT */
/* An image made anew on another backing file. */
#ifndef MPLCR_CHAIN_MERGE_H
#define MPLCR_CHAIN_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/options.h"
#include "image/chain.h"

struct merge {
	const char *path;        /* the image, a qcow2 one */
	const char *partial;     /* the new one, beside it */
	const char *base;        /* its backing file, as its header is to name it, or NULL: none */
	const char *base_format; /* or NULL */
};

/*
 * Makes the file `partial`, with the guest data that the image has now and everything else of it too, durable. One that
 * an earlier run left there goes. Returns 0 or -1; nothing is left then.
 */
int merge_build(const struct merge *m, int interrupt, struct err *e);

/* For option tables of verbs whose --socket lets a VM merge: --max-bandwidth, bytes per second. */
#define MERGE_BANDWIDTH_OPTION(options, member)                                                                        \
	{                                                                                                              \
		"max-bandwidth", 0, "BYTES",                                                                           \
			"with --socket: the VM merges at most so many bytes per second\n(K, M, G allowed; default: no "  \
			"limit)",                                                                                      \
			TO_BYTES(options, member)                                                                      \
	}

/* The bytes that it takes at most, of those between the two: `above` in the chain, to `below` (c->n: all). */
uint64_t merge_bytes(const struct chain *c, size_t above, size_t below);

/* The name of image `below` in a header of image `above`: relative where the names between them are. Malloc'd. */
char *merge_name(const struct chain *c, size_t above, size_t below);

#endif
