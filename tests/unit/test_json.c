/* SPDX-License-Identifier: MIT */
/* json.h: getters that never fail loudly, and strings of bytes that are not UTF-8. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static void cleaned(const char *bytes, const char *expected)
{
	json_t *value = json_string_of(bytes);

	ok(strcmp(json_string_value(value), expected) == 0, "'%s' becomes '%s'", expected, json_string_value(value));
	json_decref(value);
}

static void with_nul(void)
{
	json_t *value = json_bytes_of("a\0b\xe2\x82\xac", 5); /* the last character is cut */

	ok(json_string_length(value) == 9 && memcmp(json_string_value(value), "a\0b\xef\xbf\xbd\xef\xbf\xbd", 9) == 0,
	   "bytes with a NUL, and a character that is cut");
	json_decref(value);
}

int main(void)
{
	json_t *o = json_of("{s:s, s:i, s:f, s:b, s:{s:{s:i}}, s:n}", "text", "x", "int", 7, "real", 1.5, "flag", 1,
			    "a", "b", "c", 9, "null");
	char *order;

	ok(strcmp(json_text(o, "text"), "x") == 0, "a text");
	ok(!json_text(o, "int") && !json_text(o, "nosuch") && !json_text(NULL, "text"), "no text");
	ok(json_int(o, "int", 1) == 7, "an integer");
	ok(json_int(o, "text", 1) == 1 && json_int(o, "real", 2) == 2 && json_int(o, "null", 3) == 3 &&
		   json_int(NULL, "x", 4) == 4,
	   "no integer");
	ok(json_flag(o, "flag"), "a flag");
	ok(!json_flag(o, "int") && !json_flag(o, "nosuch") && !json_flag(NULL, "flag"), "no flag");
	ok(json_real_at(o, "real", 0) == 1.5 && json_real_at(o, "int", 0) == 7 && json_real_at(o, "text", 3) == 3,
	   "numbers");
	ok(json_integer_value(json_path(o, "a", "b", "c", NULL)) == 9, "a path");
	ok(!json_path(o, "a", "x", "c", NULL) && !json_path(o, "text", "b", NULL) && !json_path(NULL, "a", NULL),
	   "paths that end early");
	ok(json_path(o, NULL) == o, "the empty path");
	order = json_dumps(o, JSON_COMPACT);
	ok(strncmp(order, "{\"text\":\"x\",\"int\":7,", 20) == 0, "members keep their order");
	free(order);
	json_decref(o);

	with_nul();
	cleaned("plain", "plain");
	cleaned("", "");
	cleaned("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xaf", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xaf");
	cleaned("a\xff" "b", "a\xef\xbf\xbd" "b");
	cleaned("cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd");
	cleaned("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                         /* overlong '/' */
	cleaned("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");         /* a surrogate */
	cleaned("\xf9\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* no first byte */
	cleaned("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* beyond U+10FFFF */
	return done();
}
