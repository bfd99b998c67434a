/* SPDX-License-Identifier: MIT */
#include "state/stream_tail.h"

#include <string.h>

#include "state/wire.h"

/* `last` ends with the head of a description and its '{', and `older` with the footer before it. */
static bool description_begins(const struct stream_tail *t)
{
	const uint64_t head = SECTION_END_OF_ALL << 8 | SECTION_DESCRIPTION;

	return (t->last & 0xff) == '{' && (t->last >> 40 & 0xffff) == head && (t->older >> 24 & 0xff) == SECTION_FOOTER;
}

/* Whether a byte may occur outside of a string in JSON without line breaks. */
static bool is_json(uint8_t b)
{
	return b > ' ' ? b < 0x7f && strchr("{}[]:,\"+-._", b) != NULL : b == ' ';
}

static bool is_word(uint8_t b)
{
	return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
}

static void string_byte(struct stream_tail *t, uint8_t b)
{
	if (t->escape)
		t->escape = false;
	else if (b == '\\')
		t->escape = true;
	else if (b == '"')
		t->string = false;
}

/* Takes one byte of the description; gives up, with json_left = 0, if it is not a JSON object. */
static void json_byte(struct stream_tail *t, uint8_t b)
{
	t->json_left--;
	if (b < ' ' || (!t->string && !is_word(b) && !is_json(b))) {
		t->json_left = 0;
		return;
	}
	if (t->string)
		string_byte(t, b);
	else if (b == '"')
		t->string = true;
	else if (b == '{' || b == '[')
		t->depth++;
	else if (b == '}' || b == ']')
		t->depth--;
	if (!t->depth) {
		t->whole = !t->json_left;
		t->json_left = 0;
	}
}

void stream_tail_feed(struct stream_tail *t, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		t->older = t->older << 8 | t->last >> 56;
		t->last = t->last << 8 | data[i];
		t->whole = false;
		if (t->json_left)
			json_byte(t, data[i]);
		if (data[i] == '{' && description_begins(t)) {
			uint32_t length = (uint32_t)(t->last >> 8);

			t->json = length;
			t->json_left = length ? length - 1 : 0;
			t->depth = 1;
			t->string = t->escape = false;
		}
	}
}

enum stream_tail_end stream_tail_end(const struct stream_tail *t)
{
	if (t->whole)
		return STREAM_TAIL_DESCRIBED;
	if ((t->last & 0xff) == SECTION_END_OF_ALL && (t->last >> 40 & 0xff) == SECTION_FOOTER)
		return STREAM_TAIL_UNDESCRIBED;
	return STREAM_TAIL_CUT;
}
