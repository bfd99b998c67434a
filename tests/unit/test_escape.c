/* SPDX-License-Identifier: MIT */
/* escape.h: what reaches a terminal. */
#include "base/escape.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static const struct {
	const char *text, *escaped, *what;
} cases[] = {
	{ "plain text, ~ and \\x1b as letters", "plain text, ~ and \\x1b as letters", "plain text" },
	{ "", "", "nothing" },
	{ "\033[31m", "\\x1b[31m", "an escape sequence" },
	{ "a\nb\tc\a", "a\\x0ab\\x09c\\x07", "line feed, tab and bell" },
	{ "\177", "\\x7f", "DEL" },
	{ "\xc2\x9b" "31m", "\\xc2\\x9b" "31m", "CSI in UTF-8 (U+009B)" },
	{ "\xc2\x80\xc2\x9f", "\\xc2\\x80\\xc2\\x9f", "the ends of C1" },
	{ "\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82", "\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82", "letters of all lengths" },
	{ "\x9b" "31m", "\\x9b" "31m", "a lone C1 byte" },
	{ "\xe2\x82", "\\xe2\\x82", "a sequence that is cut" },
	{ "\xe2\x82z", "\\xe2\\x82z", "one that something else interrupts" },
	{ "\xc0\x9b\xe0\x82\x9b", "\\xc0\\x9b\\xe0\\x82\\x9b", "longer forms of U+009B" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "a surrogate" },
	{ "\xf4\x90\x80\x80\xff", "\\xf4\\x90\\x80\\x80\\xff", "beyond Unicode" },
	{ "\xe2\x80\xae" "gpj.exe", "\\xe2\\x80\\xae" "gpj.exe", "right-to-left override" },
	{ "\xe2\x81\xa6\xe2\x81\xa9\xe2\x80\xa8", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9\\xe2\\x80\\xa8", "isolates, line separator" },
};

int main(void)
{
	char small[8];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = escape(cases[i].text);

		ok(strcmp(got, cases[i].escaped) == 0, "%s", cases[i].what);
		free(got);
	}
	ok(strcmp(escape_into("abcdefghij", small, sizeof(small)), "abcd") == 0, "cut where there is no room");
	ok(strcmp(escape_into("abc\033\033", small, sizeof(small)), "abc\\x1b") == 0, "and never inside of an escape: %s", small);
	return done();
}
