/* SPDX-License-Identifier: MIT */
/*
 * The memory of a saved VM, page by page, wherever it lies: in a file of its own (layout pages: page n at n × 4096, holes
 * are zeros), or in a migration stream, of which an index is kept. Where the stream cannot be read twice, its pages are
 * copied to a temporary file without a name.
 */
#ifndef MPLCR_STATE_RAM_H
#define MPLCR_STATE_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "state/stream.h"

struct ram_block {
	char name[256];
	uint64_t length;  /* bytes, a multiple of STREAM_PAGE */
	int fd;           /* the file of its pages, which it owns; -1: there is none, and `index` tells */
	uint64_t *index;  /* an entry for each page: see ram.c; NULL: not kept */
	/* Pages, of which each counts once, as it came last: with content; of zeros; the rest is absent, which is zeros. */
	uint64_t stored, zero;
};

struct ram {
	struct ram_block *blocks;
	size_t n;
	int fd; /* what the indices refer to: the caller's; or the temporary file, which `owned` tells */
	bool owned;
};

/* What is read of a stream beside its memory. */
struct ram_tail {
	uint8_t *bytes; /* the tail, the caller's to free */
	size_t n;
	size_t description; /* its last bytes, 0: none */
	char machine[256];
	uint64_t stream_bytes;
};

struct ram_source {
	int fd;            /* the stream from here to its end */
	uint64_t base;     /* where the stream begins in `fd` */
	bool seekable;     /* `fd` is the file, and can be read again at any offset; it must stay open */
	bool index;        /* keep an index, so that ram_pages can be called */
	bool undescribed, pageless; /* stream.h */
};

/* Reads the stream to its end. Returns 0 or -1; then *m and *t are to be released all the same. */
int ram_read(struct ram *m, const struct ram_source *from, struct ram_tail *t, struct err *e)
	__attribute__((warn_unused_result));

/* Gives the block a file of its pages, as layout pages has it: `fd` is taken over. Returns 0 or -1. */
int ram_attach(struct ram *m, const char *block, int fd, struct err *e) __attribute__((warn_unused_result));

/* The block of that name, or NULL. */
struct ram_block *ram_find(const struct ram *m, const char *name);

/* Copies `n` pages from `page` on to `buf`. What is absent is zeros. Returns 0 or -1. */
int ram_pages(const struct ram *m, const struct ram_block *b, uint64_t page, size_t n, uint8_t *buf,
		 struct err *e) __attribute__((warn_unused_result));

/*
 * The length, in pages, of the run from `page` on of which the same is known without reading: *zero, that it is zeros, or
 * not. At least 1.
 */
uint64_t ram_run(const struct ram *m, const struct ram_block *b, uint64_t page, bool *zero);

/* NULL members are allowed; what ram_tail points to is the caller's. */
void ram_release(struct ram *m);

#endif
