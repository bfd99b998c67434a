/* SPDX-License-Identifier: MIT */
/* Shared by sink_pages.c and sink_begun.c, which is about files that begin as clones. */
#ifndef MPLCR_SINK_PAGES_IMPL_H
#define MPLCR_SINK_PAGES_IMPL_H

#include <stdint.h>
#include <sys/uio.h>

#include "state/delta.h"
#include "state/names.h"
#include "state/sink_impl.h"

enum {
	RUN_PAGES = DELTA_RUN,   /* pages of one pwritev: as many as a block of the stream can hold */
	RAM_NAME = sizeof(STATE_RAM_DIR "/") + 256, /* bytes of a file's name; that of a block has at most 255 */
	DEVICES_BUFFER = 64 << 10,
	WRITTEN_BYTES = 4 << 20, /* all maps of written groups together */
};

/*
 * The file of one block. `written` has a bit for each group of 2^group_bits pages, set once a page of the group is
 * written; outside of such groups, zero pages are holes already. A group is a single page for up to 128 GiB of memory
 * in all. Beyond that groups grow, so that the maps do not, at the price of a needless hole punched now and then.
 */
struct ram_file {
	size_t out; /* index in base.outs */
	uint64_t *written;
	struct delta *delta; /* of a file that began as a clone, which has maps of its own; else NULL */
};

/* A file that began as a clone, until the stream declares its block. */
struct begun {
	char *block;
	int fd; /* -1: it was handed on */
	struct delta *delta;
	struct prefetch *prefetch;
};

struct sink_pages {
	struct sink base;
	char **ram; /* names of the blocks that get files */
	size_t n_ram;
	struct ram_file *files; /* indexed by the block's number in the stream; blocks not taken have unused entries */
	size_t n_files;
	unsigned group_bits;
	bool made_dir; /* STATE_RAM_DIR is there */
	struct begun *begun;
	size_t n_begun;

	/* Content not yet written: consecutive pages of one file, anywhere in memory. */
	struct ram_file *run_file;
	uint64_t run_start, run_end;
	struct iovec run[RUN_PAGES];
	size_t n_run;

	/* A hole not yet punched. */
	struct ram_file *hole_file;
	uint64_t hole_start, hole_end;

	uint8_t fills[256][STREAM_PAGE]; /* pages of one byte value that `run` points to */

	uint8_t devices[DEVICES_BUFFER]; /* not yet written to devices.vmstate, which is outs[0] */
	size_t n_devices;
};

/* Where the pages of the block go. Returns 0, or -1 where its name cannot be one of a file. */
int sink_ram_name(const char *block, char name[RAM_NAME], struct err *e);

/* Makes their directory, once. Returns 0 or -1. */
int sink_ram_dir(struct sink_pages *s, struct err *e);

/* The page is zero in the stream. Returns 0 or -1. */
int sink_page_zero(struct sink_pages *s, struct ram_file *f, uint64_t offset, struct err *e);

/* sink_begun.c: the file of that block that began as a clone, and that nobody took yet, or NULL. */
struct begun *begun_of(struct sink_pages *s, const char *block);

/*
 * Makes it the file `name` of the sink, for *f; one of another length than `length` begins anew. Returns its index in
 * base.outs, or -1.
 */
int begun_take(struct sink_pages *s, struct begun *b, uint64_t length, const char *name, struct ram_file *f,
	       struct err *e);

/* All blocks are declared: removes the files that nobody took. */
void begun_drop(struct sink_pages *s);

/* The stream is complete: what it had nothing for becomes zero, and pages are counted. Returns 0 or -1. */
int begun_complete(struct sink_pages *s, struct err *e);

void begun_release(struct sink_pages *s);

#endif
