/* SPDX-License-Identifier: MIT */
/*
 * Builds migration streams for tests, piece by piece: see src/common/stream.h for the format. The buffer grows as
 * needed; build_free releases it.
 */
#ifndef MPLCR_STREAM_BUILDER_H
#define MPLCR_STREAM_BUILDER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BUILD_RAM_ID = 2, BUILD_PAGE = 4096 };

enum {
	BUILD_ZERO = 0x02,
	BUILD_MEM_SIZE = 0x04,
	BUILD_PAGE_FLAG = 0x08,
	BUILD_EOS = 0x10,
	BUILD_CONTINUE = 0x20,
};

struct build {
	uint8_t *data;
	size_t len, room;
};

static inline void build_bytes(struct build *b, const void *data, size_t len)
{
	if (b->len + len > b->room) {
		b->room = 2 * (b->len + len);
		b->data = realloc(b->data, b->room);
		if (!b->data)
			abort();
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

/* A big-endian number of `bytes` bytes. */
static inline void build_number(struct build *b, uint64_t value, unsigned bytes)
{
	while (bytes--) {
		uint8_t byte = (uint8_t)(value >> 8 * bytes);

		build_bytes(b, &byte, 1);
	}
}

/* u8 length and name. */
static inline void build_name(struct build *b, const char *name)
{
	build_number(b, strlen(name), 1);
	build_bytes(b, name, strlen(name));
}

static inline void build_head(struct build *b, const char *machine)
{
	build_bytes(b, "QEVM\0\0\0\3", 8);
	build_number(b, 7, 1);
	build_number(b, strlen(machine), 4);
	build_bytes(b, machine, strlen(machine));
}

/* The head of a START (1) or FULL (4) section. */
static inline void build_section(struct build *b, int type, uint32_t id, const char *name, uint32_t version)
{
	build_number(b, (uint64_t)type, 1);
	build_number(b, id, 4);
	build_name(b, name);
	build_number(b, 0, 4);
	build_number(b, version, 4);
}

/* The head of a PART (2) or END (3) section of ram. */
static inline void build_part(struct build *b, int type)
{
	build_number(b, (uint64_t)type, 1);
	build_number(b, BUILD_RAM_ID, 4);
}

static inline void build_footer(struct build *b, uint32_t id)
{
	build_number(b, 0x7e, 1);
	build_number(b, id, 4);
}

/* The end of a section of ram. */
static inline void build_eos(struct build *b)
{
	build_number(b, BUILD_EOS, 8);
	build_footer(b, BUILD_RAM_ID);
}

static inline void build_block(struct build *b, const char *name, uint64_t length)
{
	build_name(b, name);
	build_number(b, length, 8);
}

/* The START section of ram, with two blocks. */
static inline void build_ram(struct build *b, const char *name, uint64_t length, const char *name2, uint64_t length2)
{
	build_section(b, 1, BUILD_RAM_ID, "ram", 4);
	build_number(b, (length + length2) | BUILD_MEM_SIZE, 8);
	build_block(b, name, length);
	if (length2)
		build_block(b, name2, length2);
	build_eos(b);
}

/* A page full of pseudo-random bytes that follow from `seed`. */
static inline void build_content(uint8_t page[BUILD_PAGE], uint32_t seed)
{
	for (size_t i = 0; i < BUILD_PAGE; i++) {
		seed = seed * 1664525 + 1013904223;
		page[i] = (uint8_t)(seed >> 24);
	}
}

/* A page of `block`, or of the same block as before where that is NULL. */
static inline void build_page(struct build *b, const char *block, uint64_t offset, uint32_t seed)
{
	uint8_t page[BUILD_PAGE];

	build_number(b, offset | BUILD_PAGE_FLAG | (block ? 0 : BUILD_CONTINUE), 8);
	if (block)
		build_name(b, block);
	build_content(page, seed);
	build_bytes(b, page, sizeof(page));
}

static inline void build_fill(struct build *b, const char *block, uint64_t offset, uint8_t byte)
{
	build_number(b, offset | BUILD_ZERO | (block ? 0 : BUILD_CONTINUE), 8);
	if (block)
		build_name(b, block);
	build_bytes(b, &byte, 1);
}

/* A device's section of bytes that nobody but the device understands. */
static inline void build_device(struct build *b, uint32_t id, const char *name)
{
	build_section(b, 4, id, name, 1);
	build_bytes(b, "~\0\0\0\x02\0\x06{\"a", 11);
	build_footer(b, id);
}

/* The end of sections, and the description. */
static inline void build_end(struct build *b)
{
	const char *json = "{\"page_size\": 4096, \"devices\": [{\"name\": \"a}\\\"]\"}, -1, true]}";

	build_number(b, 0, 1);
	build_number(b, 6, 1);
	build_number(b, strlen(json), 4);
	build_bytes(b, json, strlen(json));
}

/* Everything behind RAM. */
static inline void build_tail(struct build *b)
{
	build_device(b, 0, "timer");
	build_device(b, 3, "cpu");
	build_end(b);
}

static inline void build_free(struct build *b)
{
	free(b->data);
	*b = (struct build){ 0 };
}

#endif
