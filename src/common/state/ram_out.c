/* SPDX-License-Identifier: MIT */
#include "state/ram_out.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "state/stream.h"
#include "state/wire.h"

/* The type byte of a section or its footer, and the section's id. */
static int add_section(struct ram_out *o, uint8_t type, struct err *e)
{
	uint8_t bytes[5] = { type };
	uint32_t be = htobe32(o->section);

	memcpy(bytes + 1, &be, sizeof(be));
	return gather_head(o->out, bytes, sizeof(bytes), e);
}

int ram_out_begin(struct ram_out *o, struct err *e)
{
	return add_section(o, SECTION_PART, e);
}

int ram_out_end(struct ram_out *o, struct err *e)
{
	const uint64_t eos = htobe64(RAM_EOS);

	if (gather_head(o->out, &eos, sizeof(eos), e) < 0 || add_section(o, SECTION_FOOTER, e) < 0)
		return -1;
	return gather_flush(o->out, e);
}

/* Adds the page at `offset`: `content`, or zeros where it is NULL. The first page of a block names it. */
static int add_page(struct ram_out *o, const char *block, uint64_t offset, const uint8_t *content, struct err *e)
{
	uint64_t word = htobe64(offset | (content ? RAM_PAGE : RAM_ZERO) | (block == o->block ? RAM_CONTINUE : 0));
	uint8_t head[GATHER_HEAD_MAX];
	size_t len = sizeof(word);

	memcpy(head, &word, sizeof(word));
	if (block != o->block) {
		size_t name = strlen(block);

		head[len++] = (uint8_t)name;
		memcpy(head + len, block, name);
		len += name;
		o->block = block;
	}
	if (!content)
		head[len++] = 0;
	if (gather_head(o->out, head, len, e) < 0)
		return -1;
	return content ? gather_page(o->out, content, e) : 0;
}

int ram_out_zeros(struct ram_out *o, const char *block, uint64_t offset, struct err *e)
{
	return add_page(o, block, offset, NULL, e);
}

static int cannot_map(const struct ram_pages *p, struct err *e)
{
	return p->path ? err_sys(e, errno, "cannot map '%s'", p->path) : err_sys(e, errno, "cannot map it");
}

static bool counts(const struct ram_pages *p, size_t page)
{
	return !p->bits || p->bits[page / 8] >> page % 8 & 1;
}

int ram_out_pages(struct ram_out *o, const char *block, uint64_t offset, const struct ram_pages *p, struct err *e)
{
	const uint8_t *mapped = NULL, *content;
	int result = 0;

	if (gather_refers(o->out)) {
		mapped = mmap(NULL, p->length, PROT_READ, MAP_SHARED | MAP_POPULATE, p->fd, (off_t)p->at);
		if (mapped == MAP_FAILED)
			return cannot_map(p, e);
	}
	content = mapped ? mapped : p->read;
	for (size_t i = 0; i < p->length && result == 0; i += STREAM_PAGE) {
		bool there = counts(p, i / STREAM_PAGE) && !stream_page_is_zero(p->read + i);

		result = add_page(o, block, offset + i, there ? content + i : NULL, e);
	}
	if (result == 0)
		result = gather_flush(o->out, e);
	if (mapped)
		munmap((void *)(uintptr_t)mapped, p->length);
	return result;
}
