/* SPDX-License-Identifier: MIT */
/*
 * Reads QEMU's migration stream incrementally and passes guest pages on as pointers into the caller's buffer. It trusts
 * nothing: it caps every length, checks every offset, and names the byte of the stream in each error.
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
 * A section of `ram` is a sequence of u64 words: flags in the low 12 bits, an offset in the rest. MEM_SIZE 0x04
 * declares the blocks: the offset is the sum of their lengths, and u8 length, name, u64 length follow for each. ZERO
 * 0x02 (a fill byte follows) and PAGE 0x08 (4096 bytes follow) are pages; CONTINUE 0x20 with them means the same block
 * as before, else u8 length and its name come first. EOS 0x10 ends the section.
 *
 * The stream does not give the length of any other section. So RAM must come first, and the rest, the tail, passes
 * through unread. RAM is over after its END section, or, in a background snapshot, which has no END, at the first FULL
 * section. A device before that point is an error.
 *
 * To detect truncation, the reader requires a description as the end of the stream: a balanced JSON object of exactly
 * the length given before it, after a section footer and the end of sections. Device state could contain such bytes by
 * intent, never by chance. Machine types up to 2.2 and `suppress-vmdesc=on` send no description; with `undescribed`
 * set, a stream may also end with a footer and the end of sections. A described stream cut between the two then passes
 * as well (QEMU loads it, too: all devices are there).
 *
 * Calls in order: stream_new; stream_feed until the input ends; stream_end; stream_free. stream_info may be called at
 * any time. stream_pump (pump.h) does the reading.
 */
#ifndef MPLCR_STREAM_H
#define MPLCR_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/err.h"

#define STREAM_PAGE 4096u

/* Whether the page has nothing but zeros. */
static inline bool stream_page_is_zero(const uint8_t page[STREAM_PAGE])
{
	return page[0] == 0 && memcmp(page, page + 1, STREAM_PAGE - 1) == 0;
}

enum {
	STREAM_MAX_BLOCKS = 1024,
	STREAM_MAX_TOKEN = 8192, /* stream_feed never leaves this many bytes unconsumed */
};

struct stream;

struct stream_block {
	char name[256];
	uint64_t length; /* bytes, a multiple of STREAM_PAGE */
	bool take;       /* set in `blocks` to receive the pages of this block, which `rest` then leaves out */
};

/*
 * The reader's callbacks, called with the `ctx` of stream_new. Each returns 0, or -1 with *e filled in to end the
 * reading. Any may be NULL. Data pointers are valid until the next stream_feed.
 */
struct stream_events {
	/* RAM blocks are declared: choose with `take`. The array stays valid and in place until stream_free. */
	int (*blocks)(void *ctx, struct stream_block *blocks, size_t n, struct err *e);
	/* A page with content, of a block with `take` set; `offset` lies inside the block. */
	int (*page)(void *ctx, size_t block, uint64_t offset, const uint8_t *data, struct err *e);
	/* A page of one byte value. */
	int (*fill)(void *ctx, size_t block, uint64_t offset, uint8_t byte, struct err *e);
	/* All other bytes, in order: a valid stream in themselves. */
	int (*rest)(void *ctx, const void *data, size_t len, struct err *e);
	/*
	 * The first section of `ram` has ended, and `rest` has all of it: further sections of `ram` may be inserted
	 * here.
	 */
	int (*ram_begun)(void *ctx, uint32_t section, struct err *e);
	/* The bytes behind RAM, which `rest` gets, too: device sections, the end of sections, the description. */
	int (*tail)(void *ctx, const void *data, size_t len, struct err *e);
};

struct stream_options {
	uint64_t limit;   /* largest plausible sum of all block lengths, in bytes; 0: 16 TiB */
	bool undescribed; /* the stream may come without a description */
	bool pageless;    /* all pages may be missing: they are kept elsewhere */
};

struct stream_info {
	const char *machine; /* machine type, or "" */
	const struct stream_block *blocks;
	size_t n_blocks;
	uint64_t bytes;      /* consumed */
	uint64_t pages;      /* pages with content, of all blocks; each repeat counts */
	uint64_t fill_pages; /* pages of one byte value, likewise */
	bool described;      /* the last byte consumed ended a description */
	uint32_t description; /* then: its length, bytes */
};

/* Copies the events. Never fails. Free the result with stream_free. */
struct stream *stream_new(const struct stream_events *events, void *ctx, const struct stream_options *options);

/*
 * Consumes all complete tokens and returns their number of bytes. The caller passes the remaining bytes, fewer than
 * STREAM_MAX_TOKEN, again in front of the next ones. Returns -1 on failure; then only stream_info and stream_free may
 * be called.
 */
ssize_t stream_feed(struct stream *s, const uint8_t *data, size_t len, struct err *e)
	__attribute__((warn_unused_result));

/* Call at the end of the input, with `left` bytes not consumed. Returns 0 if the stream is complete, else -1. */
int stream_end(struct stream *s, size_t left, struct err *e) __attribute__((warn_unused_result));

/* The results so far; the pointers are valid until stream_free. */
struct stream_info stream_info(const struct stream *s);

/* The offset in the stream of a byte that a callback was given. */
uint64_t stream_offset(const struct stream *s, const uint8_t *at);

/* NULL is allowed. */
void stream_free(struct stream *s);

#endif
