/* SPDX-License-Identifier: MIT */
/*
 * A reader of QEMU's migration stream that takes the bytes as they come and hands out guest pages as pointers into the
 * caller's buffer. It trusts nothing: every length is capped, every offset checked, and each error names the byte of
 * the stream where the fault is.
 *
 * The format (all numbers big-endian):
 *
 *   "QEVM", u32 3
 *   0x07 configuration: u32 length, machine type; then subsections 0x05: u8 length, name, u32 version, fields
 *   0x01 START and 0x04 FULL section: u32 id, u8 length, name, u32 instance, u32 version
 *   0x02 PART and 0x03 END of a section: u32 id
 *   0x7e and u32 id after each section
 *   0x08 command: u16 command, u16 length, data; only SWITCHOVER_START (11, empty), which QEMU 10.0 sends, is known
 *   0x00 end of sections, 0x06 description: u32 length, JSON text
 *
 * A section of `ram` is a row of u64 words: flags in the low 12 bits, an offset in the rest. MEM_SIZE 0x04 declares
 * the blocks: the offset is the sum of their lengths, and u8 length, name, u64 length follow for each. ZERO 0x02 (a
 * fill byte follows) and PAGE 0x08 (4096 bytes follow) are pages; CONTINUE 0x20 with them means the same block as
 * before, else u8 length and its name come first. EOS 0x10 ends the section.
 *
 * The length of any other section is not in the stream. So RAM must come first, and what follows it, the tail, is
 * passed on unread. RAM is over after its END section, or, in a background snapshot, which has no END, at the first
 * FULL section. Another device that stands before that point is an error.
 *
 * How a stream that was cut is noticed: its end must be the last byte of a description, a balanced JSON object of
 * exactly the length that stands before it, after a section footer and the end of sections. The bytes of devices could
 * hold such a thing by intent, never by chance. Machine types up to 2.2, and `suppress-vmdesc=on`, send none; with
 * `undescribed` set, a stream may also end with a footer and the end of sections, and then a described stream
 * that was cut between the two passes (QEMU loads it as well: all devices are there).
 *
 * Calls in order: stream_new; stream_feed until the input ends, and stream_end then; stream_free. The results may be
 * asked for at any time. stream_pump (stream_pump.h) does the reading.
 */
#ifndef MPLCR_STREAM_H
#define MPLCR_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define STREAM_PAGE 4096u

enum {
	STREAM_MAX_BLOCKS = 1024,
	STREAM_MAX_TOKEN = 8192, /* stream_feed never leaves this many bytes unconsumed */
};

struct stream;

struct stream_block {
	char name[256];
	uint64_t length; /* bytes, a multiple of STREAM_PAGE */
	bool take;       /* set it in `blocks` to be handed the pages of this block; they are not in `rest` then */
};

/*
 * What the reader calls, each with the `ctx` of stream_new; each returns 0, or -1 with *e filled in, which ends it. Any
 * may be NULL. Data pointers are valid until stream_feed is called again.
 */
struct stream_events {
	/* RAM blocks are declared: choose with `take`. The array stays valid and in place until stream_free. */
	int (*blocks)(void *ctx, struct stream_block *blocks, size_t n, struct err *e);
	/* A page with content, of a block that is taken; `offset` lies inside the block. */
	int (*page)(void *ctx, size_t block, uint64_t offset, const uint8_t *data, struct err *e);
	/* A page of one byte value. */
	int (*fill)(void *ctx, size_t block, uint64_t offset, uint8_t byte, struct err *e);
	/* All the other bytes, in order: a valid stream by themselves. */
	int (*rest)(void *ctx, const void *data, size_t len, struct err *e);
	/* The first section of `ram` has ended, and `rest` has all of it: sections of `ram` could be put in here. */
	int (*ram_begun)(void *ctx, uint32_t section, struct err *e);
};

struct stream_options {
	uint64_t limit;   /* largest plausible sum of all block lengths, in bytes; 0: 16 TiB */
	bool undescribed; /* the stream may come without a description */
	bool pageless;    /* all pages may be missing, because they are kept elsewhere */
};

struct stream_info {
	const char *machine; /* machine type, or "" */
	const struct stream_block *blocks;
	size_t n_blocks;
	uint64_t bytes;      /* consumed */
	uint64_t pages;      /* pages with content that came, of all blocks, repeated ones counted each time */
	uint64_t fill_pages; /* pages of one byte value, likewise */
	bool described;      /* the last byte consumed ended a description */
};

/* The events are copied. Never fails; to be freed with stream_free. */
struct stream *stream_new(const struct stream_events *events, void *ctx, const struct stream_options *options);

/*
 * Takes as much of the bytes as is whole and returns how many that was. The caller gives the others, fewer than
 * STREAM_MAX_TOKEN, again, in front of what comes after them. Returns -1 on failure, after which only stream_info and
 * stream_free may be called.
 */
ssize_t stream_feed(struct stream *s, const uint8_t *data, size_t len, struct err *e)
	__attribute__((warn_unused_result));

/* The input has ended and `left` bytes of it were not consumed: is the stream complete? Returns 0 or -1. */
int stream_end(struct stream *s, size_t left, struct err *e) __attribute__((warn_unused_result));

/* What is known so far; the pointers are valid until stream_free. */
struct stream_info stream_info(const struct stream *s);

/* NULL is allowed. */
void stream_free(struct stream *s);

#endif
