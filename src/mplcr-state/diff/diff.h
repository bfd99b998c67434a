/* SPDX-License-Identifier: MIT */
/*
 * diff, the map of the room:
 *
 *   diff.c      options, operands; what is printed
 *   memory.c    pages and ranges that differ
 *   devices.c   fields of devices that differ
 *   map.c       memory as a picture: which kind, and where it goes                      (map.h)
 *   letters.c   it, in letters
 *   colours.c   it, in colours, by gnuplot
 */
#ifndef MPLCR_STATE_DIFF_H
#define MPLCR_STATE_DIFF_H

#include <jansson.h>

#include "saved/saved.h"

/* Pages one behind the other that differ. */
struct range {
	uint64_t from, to; /* offsets in the block */
	uint64_t bytes;    /* that differ */
};

/* Pages one behind the other, as a picture shows them, by what they are in A and in B. */
struct cell {
	uint64_t zero, same, changed;
};

struct block_diff {
	const char *name;
	uint64_t sizes[2];    /* in A and in B, bytes; 0: it is not there */
	uint64_t pages, bytes; /* that differ */
	struct range *ranges;
	size_t n;
	struct cell *cells; /* NULL: no picture is wanted */
	size_t n_cells;
};

struct memory_diff {
	struct block_diff *blocks;
	size_t n;
	size_t most_cells;   /* the caller's wish: of one block; 0: no cells */
	uint64_t cell_pages; /* of each cell but the last one of a block; a power of two */
};

/*
 * Compares the RAM blocks of both. Where one is longer, the rest of it is compared with zeros. *d is zeroed, but for
 * most_cells. Returns 0 or -1.
 */
int diff_memory(const struct saved *a, const struct saved *b, struct memory_diff *d, struct err *e)
	__attribute__((warn_unused_result));
void diff_memory_release(struct memory_diff *d);

/*
 * Compares the devices of both: an array with an object for each device that differs: `name`, `instance`, and `fields`, each
 * with `name`, `a` and `b`; or `only`, "a" or "b". The caller's; NULL with an error.
 */
json_t *diff_devices(const struct saved *a, const struct saved *b, struct err *e);

#endif
