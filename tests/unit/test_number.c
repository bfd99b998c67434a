/* SPDX-License-Identifier: MIT */
/* number.h: strict numbers. */
#include "base/number.h"

#include <inttypes.h>
#include <string.h>

#include "tap.h"

typedef int parser(const char *text, const char *what, uint64_t *out, struct err *e);

static int plain(const char *text, const char *what, uint64_t *out, struct err *e)
{
	return number_parse(text, what, UINT64_MAX, out, e);
}

static void good(parser *parse, const char *text, uint64_t expected)
{
	struct err e = { 0 };
	uint64_t got = ~expected;

	ok(parse(text, "--x", &got, &e) == 0 && got == expected, "'%s' is %" PRIu64, text, expected);
}

static void bad(parser *parse, const char *text)
{
	struct err e = { 0 };
	uint64_t got = 4711;

	ok(parse(text, "--x", &got, &e) == -1 && e.status == EXIT_USAGE && strncmp(e.text, "--x: '", 6) == 0 &&
		   got == 4711,
	   "'%s' is refused: %s", text, e.text);
}

static void shown(uint64_t bytes, const char *expected)
{
	char buf[16];

	ok(strcmp(number_bytes(bytes, buf), expected) == 0, "%" PRIu64 " bytes are '%s'", bytes, buf);
}

int main(void)
{
	static const char *const never[] = { "",
					     " 1",
					     "1 ",
					     "-1",
					     "+1",
					     "0x10",
					     "1e3",
					     "1,5",
					     "\xd9\xa1",
					     "18446744073709551616",
					     "99999999999999999999999" };
	struct err e = { 0 };
	uint64_t out = 7;

	good(plain, "0", 0);
	good(plain, "010", 10); /* no octal */
	good(plain, "18446744073709551615", UINT64_MAX);
	good(number_parse_bytes, "4096", 4096);
	good(number_parse_bytes, "2k", 2048);
	good(number_parse_bytes, "3M", 3 << 20);
	good(number_parse_bytes, "1g", 1 << 30);
	good(number_parse_bytes, "8388607T", 8388607ULL << 40);
	good(number_parse_bytes, "9223372036854775807", INT64_MAX);
	good(number_parse_seconds, "2", 2000);
	good(number_parse_seconds, "0.5", 500);
	good(number_parse_seconds, "1.25", 1250);
	good(number_parse_seconds, "1.0019", 1001);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		bad(plain, never[i]);
		bad(number_parse_bytes, never[i]);
		bad(number_parse_seconds, never[i]);
		bad(number_parse_duration, never[i]);
	}
	bad(plain, "1K");
	bad(number_parse_bytes, "1KB");
	bad(number_parse_bytes, "1P");
	bad(number_parse_bytes, "K");
	bad(number_parse_bytes, "8388608T");
	bad(number_parse_bytes, "9223372036854775808");
	good(number_parse_duration, "30s", 30);
	good(number_parse_duration, "90m", 5400);
	good(number_parse_duration, "7d", 604800);
	good(number_parse_duration, "1w", 604800);
	good(number_parse_duration, "0h", 0);
	bad(number_parse_duration, "7");
	bad(number_parse_duration, "7dd");
	bad(number_parse_duration, "d");
	bad(number_parse_duration, "1000001s");
	bad(number_parse_seconds, "1.");
	bad(number_parse_seconds, ".5");
	bad(number_parse_seconds, "1.5.1");
	bad(number_parse_seconds, "1.-5");
	bad(number_parse_seconds, "31536001");
	ok(number_parse("11", "--y", 10, &out, &e) == -1 && out == 7 && strstr(e.text, "at most 10"),
	   "beyond the bound: %s", e.text);
	ok(number_parse("10", "--y", 10, &out, &e) == 0 && out == 10, "the bound itself");
	shown(0, "0 B");
	shown(1023, "1023 B");
	shown(1024, "1.0 KiB");
	shown(3565158, "3.4 MiB");
	shown(UINT64_MAX, "16.0 EiB");
	return done();
}
