/* SPDX-License-Identifier: MIT */
/* Writes a section of ram with pages of files (stream.h tells of its form). */
#ifndef MPLCR_STATE_RAM_OUT_H
#define MPLCR_STATE_RAM_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "state/gather.h"

struct ram_out {
	struct gather *out;
	uint32_t section;  /* its id */
	const char *block; /* whose page came last: NULL at first; told apart by the pointer */
};

/* Pages that were read from a file. */
struct ram_pages {
	int fd;
	uint64_t at;         /* where they are in it, bytes */
	const char *path;    /* for messages; NULL: "it" */
	const uint8_t *read; /* what was read */
	size_t length;       /* bytes */
	const uint8_t *bits; /* of each page whether it counts, from the lowest bit on; else it is zeros. NULL: all do */
};

/* Begins and ends the section; all is written when that is ended. Both return 0 or -1. */
int ram_out_begin(struct ram_out *o, struct err *e) __attribute__((warn_unused_result));
int ram_out_end(struct ram_out *o, struct err *e) __attribute__((warn_unused_result));

/* Adds the page at `offset` of the block as zeros. Returns 0 or -1. */
int ram_out_zeros(struct ram_out *o, const char *block, uint64_t offset, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Adds pages from `offset` of the block on, and writes them. They are judged as they were read, and handed on as they are
 * mapped, where the output can refer to them: touching the mapping ourselves would kill us if the file were truncated.
 * Returns 0 or -1.
 */
int ram_out_pages(struct ram_out *o, const char *block, uint64_t offset, const struct ram_pages *p, struct err *e)
	__attribute__((warn_unused_result));

#endif
