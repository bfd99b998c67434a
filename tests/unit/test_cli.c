/* SPDX-License-Identifier: MIT */
/* cli.h: the command line, and text that cannot command a terminal. */
#include "base/cli.h"

#include <getopt.h>
#include <string.h>

#include "tap.h"

static const struct cli_option table[] = {
	{ NULL, 0, NULL, "Things:" },
	{ "thing", 't', "WHAT", "a thing" },
	{ "other", 0, "WHAT", "another" },
	{ "flag", 'f', NULL, "a flag" },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static char seen[256];

static int set(void *ctx, const char *name, const char *value, struct err *e)
{
	(void)ctx;
	if (value && strcmp(value, "bad") == 0)
		return err_usage(e, "--%s: bad", name);
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s=%s;", name, value ? value : "-");
	return 0;
}

/* Parses the words of `line`. */
static int parse(const char *line, bool *dashes, struct err *e)
{
	static char copy[256];
	static char *argv[32];
	const struct cli cli = { .tool = "mplcr-test", .usage = "", .about = "", .options = table, .set = set };
	int argc = 0;

	snprintf(copy, sizeof(copy), "mplcr-test %s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	seen[0] = '\0';
	optind = 0; /* getopt starts anew */
	return cli_parse(&cli, argc, argv, NULL, dashes, e);
}

static void good(const char *line, int first, const char *expected)
{
	struct err e = { 0 };
	int got = parse(line, NULL, &e);

	ok(got == first && strcmp(seen, expected) == 0, "'%s' is %s and %d", line, seen, got);
}

static void bad(const char *line, const char *text)
{
	struct err e = { 0 };

	ok(parse(line, NULL, &e) == -1 && e.status == EXIT_USAGE && strstr(e.text, text), "'%s' is refused: %s", line,
	   e.text);
}

static void escaped(const char *text, const char *expected)
{
	char buf[32];

	ok(strcmp(cli_escape(text, buf, sizeof(buf)), expected) == 0, "escaped: %s", buf);
}

static int verb_ran;

static int run_verb(int argc, char **argv)
{
	verb_ran = strcmp(argv[0], "walk") == 0 ? argc : 0;
	return EXIT_NO;
}

static void verbs(void)
{
	const struct cli_verb list[] = { { "walk", "walks", run_verb }, CLI_VERBS_END };
	char *one[] = { "mplcr-test", "walk", "x", NULL }, *other[] = { "mplcr-test", "wal", NULL };

	ok(cli_main("mplcr-test", "", list, 3, one) == EXIT_NO && verb_ran == 2, "a verb is run with what follows it");
	ok(cli_main("mplcr-test", "", list, 2, other) == EXIT_USAGE, "a verb that is none is bad usage");
	ok(cli_main("mplcr-test", "", list, 1, other) == EXIT_USAGE, "so is none at all");
}

int main(void)
{
	struct err e = { 0 };
	char small[8];
	bool dashes;

	good("", 1, "");
	good("-t a --other=b --other c -f --flag", 8, "thing=a;other=b;other=c;flag=-;flag=-;");
	good("-ta -fq x", 3, "thing=a;flag=-;");
	ok(cli_quiet() && !cli_progress(), "--quiet is seen, and there is no progress");
	good("x -f y", 2, "flag=-;");
	good("--other=", 2, "other=;");
	ok(parse("-f -- -f", &dashes, &e) == 3 && dashes && strcmp(seen, "flag=-;") == 0, "'--' ends the options");
	ok(parse("-f x", &dashes, &e) == 2 && !dashes, "no '--'");
	bad("--nosuch", "unknown option '--nosuch'");
	bad("--nosuch=1", "--nosuch=1");
	bad("-x", "unknown option '-x'");
	bad("-fx", "unknown option '-x'");
	bad("--thing", "option '--thing' needs a value");
	bad("-t", "option '-t' needs a value");
	bad("-ft", "option '-t' needs a value");
	bad("--flag=1", "--flag=1");
	bad("--thing bad", "--thing: bad");
	bad("--progress sometimes", "--progress: 'sometimes' is not always, never or auto");
	good("--progress always", 3, "");
	ok(cli_progress(), "--progress always");
	ok(strcmp(cli_tool(), "mplcr-test") == 0, "the tool's name");

	verbs();
	escaped("plain \xc3\xa4", "plain \xc3\xa4");
	escaped("\x1b[2J\n\x7f\t", "\\x1b[2J\\x0a\\x7f\\x09");
	escaped("", "");
	cli_escape("\x01\x02\x03", small, sizeof(small));
	ok(strcmp(small, "\\x01") == 0, "what does not fit is cut, never half escaped: %s", small);
	return done();
}
