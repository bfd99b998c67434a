/* SPDX-License-Identifier: MIT */
#include "state/stream_impl.h"

#include "state/wire.h"

enum { WORD = 8 };

static const uint64_t DEFAULT_LIMIT = 1ull << 44; /* 16 TiB */

/* The block of the name (u8 length and as many bytes) at `p`, or NULL. */
static struct stream_block *find_block(struct stream *s, const uint8_t *p)
{
	/* Names come in runs: usually it is the block of the previous page. */
	if (s->in && memcmp(s->in->name, p + 1, p[0]) == 0 && s->in->name[p[0]] == '\0')
		return s->in;
	for (size_t i = 0; i < s->n_blocks; i++)
		if (memcmp(s->blocks[i].name, p + 1, p[0]) == 0 && s->blocks[i].name[p[0]] == '\0')
			return &s->blocks[i];
	return NULL;
}

/* All blocks have been named. */
static enum step blocks_done(struct stream *s, struct err *e)
{
	s->step = stream_ram_step;
	if (s->on.blocks && s->on.blocks(s->ctx, s->blocks, s->n_blocks, e) < 0)
		return STEP_FAILED;
	return STEP_DONE;
}

/* One entry of the list of blocks: u8 length, name, u64 length. */
static enum step block_step(struct stream *s, struct err *e)
{
	struct stream_block *block = &s->blocks[s->n_blocks];
	size_t name_len;
	uint64_t length;

	if (stream_available(s) < 1 || stream_available(s) < 1 + (name_len = s->at[0]) + 8)
		return STEP_MORE;
	if (s->n_blocks == STREAM_MAX_BLOCKS)
		return stream_fail(s, e, "more than %d RAM blocks", STREAM_MAX_BLOCKS);
	if (memchr(s->at + 1, '\0', name_len))
		return stream_fail(s, e, "a NUL byte in the name of a RAM block");
	if (find_block(s, s->at))
		return stream_fail(s, e, "RAM block '%.*s' appears twice", (int)name_len, (const char *)s->at + 1);
	length = be64_at(s->at + 1 + name_len);
	if (length > s->undeclared || length % STREAM_PAGE)
		return stream_fail(s, e, "RAM block '%.*s' of %llu bytes, which is no part of the sum %llu",
				   (int)name_len, (const char *)s->at + 1, (unsigned long long)length,
				   (unsigned long long)s->undeclared);
	memcpy(block->name, s->at + 1, name_len);
	block->length = length;
	s->n_blocks++;
	s->at += 1 + name_len + 8;
	s->undeclared -= length;
	return s->undeclared ? STEP_DONE : blocks_done(s, e);
}

static enum step mem_size_word(struct stream *s, uint64_t sum, struct err *e)
{
	uint64_t limit = s->options.limit ? s->options.limit : DEFAULT_LIMIT;

	if (s->sized)
		return stream_fail(s, e, "the RAM blocks are declared twice");
	if (sum > limit)
		return stream_fail(s, e, "RAM blocks of %llu bytes in all, and at most %llu are plausible",
				   (unsigned long long)sum, (unsigned long long)limit);
	s->sized = true;
	s->undeclared = sum;
	s->at += WORD;
	s->step = block_step;
	return sum ? STEP_DONE : blocks_done(s, e);
}

static enum step bad_word(struct stream *s, uint64_t word, struct err *e)
{
	static const struct {
		uint64_t flag;
		const char *what, *capability;
	} known[] = {
		{ RAM_XBZRLE, "XBZRLE pages", "xbzrle" },
		{ RAM_HOOK, "RDMA hooks", "rdma-pin-all" },
		{ RAM_COMPRESS, "compressed pages", "compress" },
		{ RAM_MULTIFD_FLUSH, "multifd marks", "multifd" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!(word & known[i].flag))
			continue;
		stream_fail(s, e, "it holds %s, which are not supported", known[i].what);
		err_hint(e, "turn off the migration capability %s", known[i].capability);
		return STEP_FAILED;
	}
	return stream_fail(s, e, "unknown flags in the word 0x%016llx", (unsigned long long)word);
}

/*
 * Passes a page through. If the previous page of the same block was taken out, replaces the page's head of `head` bytes
 * with one that names the block.
 */
static int pass_page(struct stream *s, struct stream_block *block, uint64_t word, size_t head, struct err *e)
{
	uint8_t named[WORD + 1 + sizeof(block->name)];
	size_t name_len = strlen(block->name);
	uint64_t be = htobe64(word & ~(uint64_t)RAM_CONTINUE);

	if (s->out == block || !(word & RAM_CONTINUE) || !s->on.rest) {
		s->out = block;
		return 0;
	}
	s->out = block;
	memcpy(named, &be, WORD);
	named[WORD] = (uint8_t)name_len;
	memcpy(named + WORD + 1, block->name, name_len);
	if (stream_flush_rest(s, e) < 0 || s->on.rest(s->ctx, named, WORD + 1 + name_len, e) < 0)
		return -1;
	s->rest = s->at + head;
	return 0;
}

static int take_page(struct stream *s, const struct stream_block *block, uint64_t word, size_t head, struct err *e)
{
	const uint8_t *body = s->at + head;
	size_t index = (size_t)(block - s->blocks);
	uint64_t offset = word & ~(uint64_t)RAM_FLAGS;

	if (s->rest != s->at && stream_flush_rest(s, e) < 0)
		return -1;
	if (word & RAM_PAGE) {
		s->rest = body + STREAM_PAGE;
		return s->on.page ? s->on.page(s->ctx, index, offset, body, e) : 0;
	}
	s->rest = body + 1;
	return s->on.fill ? s->on.fill(s->ctx, index, offset, *body, e) : 0;
}

static enum step page_word(struct stream *s, uint64_t word, struct err *e)
{
	struct stream_block *block = s->in;
	size_t head = WORD, body = word & RAM_PAGE ? STREAM_PAGE : 1;
	uint64_t offset = word & ~(uint64_t)RAM_FLAGS;

	if (!(word & RAM_CONTINUE)) {
		if (stream_available(s) < WORD + 1 || stream_available(s) < (head = WORD + 1 + (size_t)s->at[WORD]))
			return STEP_MORE;
		block = find_block(s, s->at + WORD);
		if (!block)
			return stream_fail(s, e, "a page of RAM block '%.*s', which was not declared", s->at[WORD],
					   (const char *)s->at + WORD + 1);
	} else if (!block) {
		return stream_fail(s, e, "a page that continues no RAM block");
	}
	if (stream_available(s) < head + body)
		return STEP_MORE;
	if (offset >= block->length)
		return stream_fail(s, e, "a page at %llu of RAM block '%s', which has %llu bytes",
				   (unsigned long long)offset, block->name, (unsigned long long)block->length);
	if ((block->take ? take_page(s, block, word, head, e) : pass_page(s, block, word, head, e)) < 0)
		return STEP_FAILED;
	s->in = block;
	s->at += head + body;
	if (word & RAM_PAGE)
		s->pages++;
	else
		s->fill_pages++;
	return STEP_DONE;
}

enum step stream_ram_step(struct stream *s, struct err *e)
{
	uint64_t word;
	enum step done;

	do {
		if (stream_available(s) < WORD)
			return STEP_MORE;
		word = be64_at(s->at);
		switch (word & RAM_FLAGS) {
		case RAM_PAGE:
		case RAM_PAGE | RAM_CONTINUE:
		case RAM_ZERO:
		case RAM_ZERO | RAM_CONTINUE:
			done = page_word(s, word, e);
			break;
		case RAM_MEM_SIZE:
			return mem_size_word(s, word & ~(uint64_t)RAM_FLAGS, e);
		case RAM_EOS:
			if (word != RAM_EOS)
				return bad_word(s, word, e);
			s->at += WORD;
			s->step = stream_footer_step;
			return STEP_DONE;
		default:
			return bad_word(s, word, e);
		}
	} while (done == STEP_DONE);
	return done;
}
