/* SPDX-License-Identifier: MIT */
#include "base/escape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"

/* One byte becomes at most "\xNN". */
#define WIDEST 4

/*
 * The UTF-8 sequence at `text` (RFC 3629): its length and code point, or 0 where it is none: a stray byte, one that is cut,
 * longer than need be, a surrogate, or beyond U+10FFFF.
 */
static size_t decode(const unsigned char *text, uint32_t *point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = text[0] < 0x80 ? 1 : text[0] < 0xc0 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : text[0] < 0xf8 ? 4 : 0;

	*point = n == 1 ? text[0] : n ? text[0] & (0x7fu >> n) : 0;
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80) /* the NUL at the end, too */
			return 0;
		*point = *point << 6 | (text[i] & 0x3f);
	}
	return n && *point >= least[n] && *point <= 0x10ffff && (*point < 0xd800 || *point > 0xdfff) ? n : 0;
}

/* Whether a terminal, or a reader, can be misled by the character. */
static bool is_control(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00, 0x1f },     { 0x7f, 0x9f },     { 0x61c, 0x61c },   { 0x200e, 0x200f },
		{ 0x2028, 0x202e }, { 0x2066, 0x2069 }, { 0xfeff, 0xfeff },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

size_t escape_plain(const char *text)
{
	uint32_t point;
	size_t n = decode((const unsigned char *)text, &point);

	return n && !is_control(point) ? n : 0;
}

char *escape_into(const char *text, char *buf, size_t size)
{
	size_t used = 0;

	while (*text && used + WIDEST < size) {
		size_t n = escape_plain(text);

		if (n) {
			memcpy(buf + used, text, n);
			used += n;
			text += n;
		} else {
			used += (size_t)sprintf(buf + used, "\\x%02x", (unsigned char)*text++);
		}
	}
	buf[used] = '\0';
	return buf;
}

char *escape(const char *text)
{
	size_t size = WIDEST * strlen(text) + WIDEST + 1;

	return escape_into(text, memory_of(size, 1), size);
}

void escape_line(const char *text)
{
	_cleanup_free_ char *line = escape(text);

	puts(line);
}

char *escape_json(const char *json)
{
	static const size_t widest = sizeof("\\uNNNN"); /* of one byte, DEL */
	char *to, *clean = memory_of(strlen(json) + 1, widest);

	for (to = clean; *json;) {
		uint32_t point;
		size_t n = decode((const unsigned char *)json, &point);

		if (n && is_control(point) && *json != '\n') /* which stands between the values of an indented one */
			to += sprintf(to, "\\u%04x", (unsigned)point);
		else
			to = mempcpy(to, json, n ? n : 1);
		json += n ? n : 1;
	}
	return clean;
}

size_t escape_fit(const char *text, size_t n)
{
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* Asked once: lists have thousands of names. */
static bool is_terminal(void)
{
	static int known = -1;

	if (known < 0)
		known = isatty(STDOUT_FILENO);
	return known;
}

void escape_data(const char *text)
{
	_cleanup_free_ char *safe = is_terminal() ? escape(text) : NULL;

	fputs(safe ? safe : text, stdout);
}

void escape_path(const char *path, bool nul_separated)
{
	if (nul_separated)
		fputs(path, stdout);
	else
		escape_data(path);
	putchar(nul_separated ? '\0' : '\n');
}
