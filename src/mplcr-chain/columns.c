/* SPDX-License-Identifier: MIT */
#include "columns.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/text.h"

bool columns_utf8(void)
{
	return setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Bytes that go on with a character of UTF-8 take no column. */
static bool goes_on(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t columns_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += !goes_on(*text);
	return n;
}

const char *columns_at(const char *text, size_t column)
{
	for (; *text; text++)
		if (!goes_on(*text) && column-- == 0)
			break;
	return text;
}

char *columns_fit(const char *text, size_t width)
{
	static const char cut[] = "...";
	size_t have = columns_of(text), keep, head;

	if (have <= width)
		return text_copy(text);
	if (width < sizeof(cut) + 2)
		return text_of("%.*s", (int)(columns_at(text, width) - text), text);
	keep = width - (sizeof(cut) - 1);
	head = keep / 2;
	return text_of("%.*s%s%s", (int)(columns_at(text, head) - text), text, cut,
		       columns_at(text, have - (keep - head)));
}

char *columns_fit_escaped(const char *text, size_t width)
{
	_cleanup_free_ char *clean = escape(text);

	return columns_fit(clean, width);
}

void columns_print(const char *text, size_t width)
{
	size_t have = columns_of(text);

	printf("%s%*s", text, (int)(width > have ? width - have : 0), "");
}
