/* SPDX-License-Identifier: MIT */
/* options.h: each type of option, at its bounds and with garbage; tables that contradict themselves. */
#include "base/options.h"

#include <getopt.h>
#include <string.h>

#include "base/completion/completion.h"
#include "tap.h"

enum colour { RED, GREEN, BLUE };

struct values {
	char before[3]; /* so that no offset is 0 by accident */
	bool flag;
	const char *text, *file;
	enum colour colour, other;
	unsigned colours;
	uint64_t bytes, number, any, seconds, limited;
	struct path_list list;
	unsigned called;
};

static const struct cli_word colours[] = { { "red", "as blood" }, { "green", NULL }, { "blue", NULL }, CLI_WORDS_END };

static struct cli_word colour_at(size_t i)
{
	return colours[i];
}

static int call(void *options, const char *value, struct err *e)
{
	((struct values *)options)->called++;
	return strcmp(value, "odd") == 0 ? 0 : err_usage(e, "--call: '%s' is not odd", value);
}

static const struct cli_option table[] = {
	{ "flag", 'f', NULL, "", TO_FLAG(struct values, flag) },
	{ "text", 0, "TEXT", "", TO_TEXT(struct values, text) },
	{ "file", 0, "FILE", "", TO_FILE(struct values, file) },
	{ "colour", 0, "COLOUR", "", TO_WORD(struct values, colour, colours) },
	{ "other", 0, "COLOUR", "", TO_WORD_OF(struct values, other, colour_at) },
	{ "colours", 0, "COLOUR", "", TO_WORDS(struct values, colours, colours) },
	{ "bytes", 0, "BYTES", "", TO_BYTES(struct values, bytes) },
	{ "number", 0, "N", "", TO_NUMBER(struct values, number, 2, 5) },
	{ "any", 0, "N", "", TO_NUMBER(struct values, any, 0, UINT64_MAX) },
	{ "seconds", 0, "SECONDS", "", TO_SECONDS(struct values, seconds, 0) },
	{ "limited", 0, "SECONDS", "", TO_SECONDS(struct values, limited, 60) },
	{ "list", 0, "NAME", "", TO_LIST(struct values, list, CLI_FILES) },
	{ "call", 0, "WHAT", "", TO_CALL(call) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* Parses up to three options. */
static int parse(struct values *v, char *a, char *b, char *c, struct err *e)
{
	const struct cli cli = { .tool = "mplcr-test", .options = table };
	char *argv[] = { "mplcr-test", a, b, c, NULL };
	int argc = c ? 4 : b ? 3 : 2;

	memset(v, 0, sizeof(*v));
	*e = (struct err){ 0 };
	optind = 0; /* getopt starts anew */
	return cli_parse(&cli, argc, argv, v, NULL, e);
}

static bool takes(struct values *v, char *option)
{
	struct err e;

	return parse(v, option, NULL, NULL, &e) == 2;
}

static void refuses(char *option, const char *text)
{
	struct values v, untouched;
	struct err e;
	bool refused = parse(&v, option, NULL, NULL, &e) == -1 && e.status == EXIT_USAGE;

	memset(&untouched, 0, sizeof(untouched));
	untouched.called = v.called;
	ok(refused && strcmp(e.text, text) == 0, "%s: %s", option, e.text);
	ok(memcmp(&v, &untouched, sizeof(v)) == 0, "and nothing is stored");
}

static void words(void)
{
	struct values v;
	struct err e;

	ok(takes(&v, "--colour=red") && v.colour == RED, "the first word");
	ok(takes(&v, "--colour=blue") && v.colour == BLUE, "the last word");
	ok(takes(&v, "--other=green") && v.other == GREEN, "a word of a list that a function tells");
	ok(parse(&v, "--colour=red", "--colour=blue", NULL, &e) == 3 && v.colour == BLUE, "the last one counts");
	ok(parse(&v, "--colours=red", "--colours=blue", NULL, &e) == 3 && v.colours == 5, "several words, a bit each");
	refuses("--colour=yellow", "--colour: 'yellow' is not red, green or blue");
	refuses("--colour=", "--colour: '' is not red, green or blue");
	refuses("--colour=Red", "--colour: 'Red' is not red, green or blue");
	refuses("--colour=re", "--colour: 're' is not red, green or blue");
	refuses("--other=reds", "--other: 'reds' is not red, green or blue");
	refuses("--colours=red,blue", "--colours: 'red,blue' is not red, green or blue");
}

static void numbers(void)
{
	struct values v;

	ok(takes(&v, "--number=2") && v.number == 2, "the least number");
	ok(takes(&v, "--number=5") && v.number == 5, "the largest number");
	refuses("--number=1", "--number: at least 2");
	refuses("--number=6", "--number: '6' is too large, at most 5");
	refuses("--number=-3", "--number: '-3' is not a number");
	refuses("--number=3x", "--number: '3x' is not a number");
	refuses("--number=", "--number: '' is not a number");
	refuses("--number= 3", "--number: ' 3' is not a number");
	ok(takes(&v, "--any=18446744073709551615") && v.any == UINT64_MAX, "the largest of all");
	refuses("--any=18446744073709551616",
		"--any: '18446744073709551616' is too large, at most 18446744073709551615");
	ok(takes(&v, "--bytes=3k") && v.bytes == 3072, "bytes with a unit");
	ok(takes(&v, "--bytes=0") && v.bytes == 0, "no bytes");
	refuses("--bytes=1X", "--bytes: '1X' is not a size: digits, then K, M, G, T or nothing");
	refuses("--bytes=8388608T", "--bytes: '8388608T' is too large");
	ok(takes(&v, "--seconds=0.25") && v.seconds == 250, "a quarter of a second");
	refuses("--seconds=0", "--seconds: '0' is too short");
	refuses("--seconds=0.0001", "--seconds: '0.0001' is too short");
	refuses("--seconds=soon", "--seconds: 'soon' is not a number");
	refuses("--seconds=1s", "--seconds: '1s' is not a time in seconds");
	ok(takes(&v, "--limited=60") && v.limited == 60000, "a time at its limit");
	refuses("--limited=60.001", "--limited: '60.001' is not between 0.001 and 60");
	refuses("--limited=0", "--limited: '0' is not between 0.001 and 60");
}

static void others(void)
{
	struct values v;
	struct err e;

	ok(takes(&v, "-f") && v.flag, "a flag by its letter");
	ok(takes(&v, "--flag") && v.flag && !v.text, "a flag by its name");
	refuses("--flag=1", "option '--flag=1' is unknown or takes no value");
	ok(takes(&v, "--text=") && v.text && !v.text[0], "an empty text");
	ok(takes(&v, "--file=a=b") && strcmp(v.file, "a=b") == 0, "a name with '='");
	ok(parse(&v, "--list=a", "--list=", "--list=a", &e) == 4 && v.list.n == 3 && strcmp(v.list.paths[2], "a") == 0,
	   "a list has all that was given");
	path_list_release(&v.list);
	ok(takes(&v, "--call=odd") && v.called == 1, "a function takes the value");
	refuses("--call=even", "--call: 'even' is not odd");
	refuses("--progress=x", "--progress: 'x' is not always, never or auto");
}

/* Whether the completion of a table is refused, because of this. */
static void contradicts(const struct cli_option *rows, const char *text)
{
	const struct cli cli = { .tool = "mplcr-test", .options = rows };
	struct err e = { 0 };

	ok(completion_print(&cli, "bash", &e) == -1 && strstr(e.text, text), "%s", e.text);
}

static void tables(void)
{
	const struct cli_option needless[] = { { "flag", 0, "WHAT", "", TO_FLAG(struct values, flag) }, CLI_END };
	const struct cli_option missing[] = { { "text", 0, NULL, "", TO_TEXT(struct values, text) }, CLI_END };
	const struct cli_option typeless[] = { { "text", 0, "TEXT", "", CLI_HEADING }, CLI_END };
	const struct cli_option letters[] = { { "flag", 'f', NULL, "", TO_FLAG(struct values, flag) },
					      { "file", 'f', "FILE", "", TO_FILE(struct values, file) },
					      CLI_END };
	const struct cli_option names[] = { { "flag", 0, NULL, "", TO_FLAG(struct values, flag) },
					    { NULL, 0, NULL, "More:", CLI_HEADING },
					    { "flag", 0, NULL, "", TO_FLAG(struct values, flag) },
					    CLI_END };

	contradicts(needless, "--flag");
	contradicts(missing, "--text");
	contradicts(typeless, "--text has no type");
	contradicts(letters, "--flag and --file are the same");
	contradicts(names, "--flag and --flag are the same");
}

int main(void)
{
	words();
	numbers();
	others();
	tables();
	return done();
}
