/* SPDX-License-Identifier: MIT */
#include "state/stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "state/stream_impl.h"
#include "state/wire.h"

enum {
	VERSION = 3,
	RAM_VERSION = 4,
	COMMAND_SWITCHOVER_START = 11,
	PAGE_BITS = 12,
};

static enum step section_step(struct stream *s, struct err *e);

enum step stream_fail(const struct stream *s, struct err *e, const char *fmt, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(e, "bad migration stream at byte %llu: %s",
		(unsigned long long)(s->base + (uint64_t)(s->at - s->start)), text);
	return STEP_FAILED;
}

int stream_flush_rest(struct stream *s, struct err *e)
{
	const uint8_t *from = s->rest;

	s->rest = s->at;
	if (from == s->at || !s->on.rest)
		return 0;
	return s->on.rest(s->ctx, from, (size_t)(s->at - from), e);
}

/* A name in the stream: u8 length and as many bytes, at `p`. */
static bool name_is(const uint8_t *p, const char *name)
{
	return p[0] == strlen(name) && memcmp(p + 1, name, p[0]) == 0;
}

/* What may follow the machine type. */
static enum step subsection_step(struct stream *s, struct err *e)
{
	size_t head, body;

	if (stream_available(s) < 1)
		return STEP_MORE;
	if (s->at[0] != SECTION_SUBSECTION) {
		s->step = section_step;
		return STEP_DONE;
	}
	if (stream_available(s) < 2 || stream_available(s) < (head = 2 + (size_t)s->at[1] + 4))
		return STEP_MORE;
	if (name_is(s->at + 1, "configuration/uuid")) {
		body = 16;
	} else if (name_is(s->at + 1, "configuration/target-page-bits")) {
		body = 4;
	} else if (name_is(s->at + 1, "configuration/capabilities")) {
		stream_fail(s, e, "it was made with capabilities that change its format");
		err_hint(e, "turn off the migration capabilities x-ignore-shared and mapped-ram");
		return STEP_FAILED;
	} else {
		return stream_fail(s, e, "unknown part '%.*s' of the configuration", s->at[1], (const char *)s->at + 2);
	}
	if (stream_available(s) < head + body)
		return STEP_MORE;
	if (body == 4 && be32_at(s->at + head) != PAGE_BITS)
		return stream_fail(s, e, "it has pages of 2^%u bytes; only 2^%d is supported", be32_at(s->at + head),
				   PAGE_BITS);
	s->at += head + body;
	return STEP_DONE;
}

/* The machine type, which machine types up to 2.3 leave out. */
static enum step configuration_step(struct stream *s, struct err *e)
{
	uint32_t length;

	if (stream_available(s) < 1)
		return STEP_MORE;
	if (s->at[0] != SECTION_CONFIGURATION) {
		s->step = section_step;
		return STEP_DONE;
	}
	if (stream_available(s) < 5)
		return STEP_MORE;
	length = be32_at(s->at + 1);
	if (length >= sizeof(s->machine))
		return stream_fail(s, e, "a machine type of %u bytes", length);
	if (stream_available(s) < 5 + (size_t)length)
		return STEP_MORE;
	if (memchr(s->at + 5, '\0', length))
		return stream_fail(s, e, "a NUL byte in the machine type");
	memcpy(s->machine, s->at + 5, length);
	s->at += 5 + length;
	s->step = subsection_step;
	return STEP_DONE;
}

static enum step magic_step(struct stream *s, struct err *e)
{
	if (stream_available(s) < 8)
		return STEP_MORE;
	if (memcmp(s->at, "QEVM", 4) != 0)
		return stream_fail(s, e, "it does not begin with QEVM");
	if (be32_at(s->at + 4) != VERSION)
		return stream_fail(s, e, "it has version %u; only %d is supported", be32_at(s->at + 4), VERSION);
	s->at += 8;
	s->step = configuration_step;
	return STEP_DONE;
}

/* From here on everything passes through unread. */
static enum step tail_step(struct stream *s, struct err *e)
{
	const uint8_t *from = s->at;

	if (!stream_available(s))
		return STEP_MORE;
	stream_tail_feed(&s->tail, s->at, stream_available(s));
	s->at = s->end;
	return s->on.tail && s->on.tail(s->ctx, from, (size_t)(s->at - from), e) < 0 ? STEP_FAILED : STEP_DONE;
}

enum step stream_footer_step(struct stream *s, struct err *e)
{
	if (stream_available(s) < 5)
		return STEP_MORE;
	if (s->at[0] != SECTION_FOOTER) {
		stream_fail(s, e, "a section without a footer");
		err_hint(e, "machine types up to 2.3 send none; use a newer one");
		return STEP_FAILED;
	}
	if (be32_at(s->at + 1) != s->section)
		return stream_fail(s, e, "the footer names section %u, but section %u ends here", be32_at(s->at + 1), s->section);
	/* The tail begins with the token just read: all sections may end here. */
	stream_tail_feed(&s->tail, s->at, 5);
	s->at += 5;
	s->step = s->ram_ended ? tail_step : section_step;
	if (s->ram_begun)
		return STEP_DONE;
	s->ram_begun = true;
	if (!s->on.ram_begun)
		return STEP_DONE;
	/* Sections inserted here may name a block; a CONTINUE after them must not refer to it. */
	s->out = NULL;
	return stream_flush_rest(s, e) < 0 || s->on.ram_begun(s->ctx, s->section, e) < 0 ? STEP_FAILED : STEP_DONE;
}

/* Memory ends at the first device, if it is complete: only a background snapshot has no END section. */
static enum step first_device(struct stream *s, size_t name_len, struct err *e)
{
	if (s->n_blocks && !s->pages && !s->fill_pages && !s->options.pageless)
		return stream_fail(s, e, "device '%.*s' comes before the pages of memory", (int)name_len,
				   (const char *)s->at + 6);
	s->step = tail_step;
	return STEP_DONE;
}

/* A section of known name: ram's first, or that of a device. */
static enum step named_section(struct stream *s, struct err *e)
{
	size_t name_len;
	uint32_t instance, version;

	if (stream_available(s) < 6 || stream_available(s) < 6 + (name_len = s->at[5]) + 8)
		return STEP_MORE;
	if (s->at[0] == SECTION_FULL && s->ram_begun)
		return first_device(s, name_len, e);
	if (s->at[0] == SECTION_FULL || !name_is(s->at + 5, "ram")) {
		stream_fail(s, e, "'%.*s' comes before the end of memory, and its length is not known", (int)name_len,
			    (const char *)s->at + 6);
		err_hint(e, "detach this device, or turn off the migration capability that sends it");
		return STEP_FAILED;
	}
	if (s->ram_begun)
		return stream_fail(s, e, "memory begins twice");
	instance = be32_at(s->at + 6 + name_len);
	version = be32_at(s->at + 10 + name_len);
	if (instance != 0 || version != RAM_VERSION)
		return stream_fail(s, e, "memory has instance %u and version %u; only 0 and %d are supported", instance,
				   version, RAM_VERSION);
	s->section = be32_at(s->at + 1);
	s->at += 14 + name_len;
	s->step = stream_ram_step;
	return STEP_DONE;
}

/* A further section of ram. */
static enum step unnamed_section(struct stream *s, struct err *e)
{
	if (stream_available(s) < 5)
		return STEP_MORE;
	if (!s->ram_begun || be32_at(s->at + 1) != s->section)
		return stream_fail(s, e, "section %u never began", be32_at(s->at + 1));
	s->ram_ended = s->at[0] == SECTION_END;
	s->at += 5;
	s->step = stream_ram_step;
	return STEP_DONE;
}

static enum step command(struct stream *s, struct err *e)
{
	if (stream_available(s) < 5)
		return STEP_MORE;
	if (be16_at(s->at + 1) != COMMAND_SWITCHOVER_START || be16_at(s->at + 3) != 0) {
		stream_fail(s, e, "migration command %u is not known", be16_at(s->at + 1));
		err_hint(e, "turn off the migration capabilities return-path, postcopy-ram and x-colo");
		return STEP_FAILED;
	}
	s->at += 5;
	return STEP_DONE;
}

static enum step section_step(struct stream *s, struct err *e)
{
	if (stream_available(s) < 1)
		return STEP_MORE;
	switch (s->at[0]) {
	case SECTION_START:
	case SECTION_FULL:
		return named_section(s, e);
	case SECTION_PART:
	case SECTION_END:
		return unnamed_section(s, e);
	case SECTION_COMMAND:
		return command(s, e);
	case SECTION_END_OF_ALL:
		if (!s->ram_begun)
			return stream_fail(s, e, "it ends without memory");
		s->step = tail_step;
		return STEP_DONE;
	default:
		return stream_fail(s, e, "unknown section type 0x%02x", s->at[0]);
	}
}

struct stream *stream_new(const struct stream_events *events, void *ctx, const struct stream_options *options)
{
	struct stream *s = memory_of(1, sizeof(*s));

	s->on = *events;
	s->ctx = ctx;
	s->options = *options;
	s->step = magic_step;
	return s;
}

ssize_t stream_feed(struct stream *s, const uint8_t *data, size_t len, struct err *e)
{
	enum step done;

	s->start = s->at = s->rest = data;
	s->end = data + len;
	do
		done = s->step(s, e);
	while (done == STEP_DONE);
	if (done == STEP_FAILED || stream_flush_rest(s, e) < 0)
		return -1;
	len = (size_t)(s->at - data);
	s->base += len;
	s->start = s->end = s->at;
	return (ssize_t)len;
}

int stream_end(struct stream *s, size_t left, struct err *e)
{
	unsigned long long length = s->base + left;
	enum stream_tail_end end = stream_tail_end(&s->tail);

	if (s->step != tail_step)
		return err_set(e, "the migration stream is cut: it ends at byte %llu, before the devices", length);
	if (end == STREAM_TAIL_DESCRIBED || (end == STREAM_TAIL_UNDESCRIBED && s->options.undescribed))
		return 0;
	if (end == STREAM_TAIL_UNDESCRIBED) {
		err_set(e, "the migration stream may be cut: it ends at byte %llu without a description", length);
		return err_hint(e, "the description is expected unless the machine has suppress-vmdesc=on");
	}
	return err_set(e, "the migration stream is cut, or data follow its end: byte %llu cannot be the last",
		       length);
}

struct stream_info stream_info(const struct stream *s)
{
	return (struct stream_info){
		.machine = s->machine,
		.blocks = s->blocks,
		.n_blocks = s->n_blocks,
		.bytes = s->base,
		.pages = s->pages,
		.fill_pages = s->fill_pages,
		.described = stream_tail_end(&s->tail) == STREAM_TAIL_DESCRIBED,
		.description = s->tail.json,
	};
}

uint64_t stream_offset(const struct stream *s, const uint8_t *at)
{
	return s->base + (uint64_t)(at - s->start);
}

void stream_free(struct stream *s)
{
	free(s);
}
