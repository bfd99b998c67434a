/* SPDX-License-Identifier: MIT */
/* cli.h, options.h: the command line, and text that cannot command a terminal. */
#include "base/options.h"

#include <getopt.h>
#include <string.h>

#include "tap.h"

static char seen[256];

/* Notes a value, as what. */
static int note(const char *name, const char *value, struct err *e)
{
	if (strcmp(value, "bad") == 0)
		return err_usage(e, "--%s: bad", name);
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s=%s;", name, value);
	return 0;
}

static int set_thing(void *options, const char *value, struct err *e)
{
	(void)options;
	return note("thing", value, e);
}

static int set_other(void *options, const char *value, struct err *e)
{
	(void)options;
	return note("other", value, e);
}

struct values {
	bool flag;
};

static const struct cli_option table[] = {
	{ NULL, 0, NULL, "Things:", CLI_HEADING },
	{ "thing", 't', "WHAT", "a thing", TO_CALL(set_thing) },
	{ "other", 0, "WHAT", "another", TO_CALL(set_other) },
	{ "flag", 'f', NULL, "a flag", TO_FLAG(struct values, flag) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* Parses the words of `line`. */
static int parse(const char *line, bool *dashes, struct err *e)
{
	static char copy[256];
	static char *argv[32];
	const struct cli cli = { .tool = "mplcr-test", .usage = "", .about = "", .options = table };
	struct values values = { 0 };
	int argc = 0;

	snprintf(copy, sizeof(copy), "mplcr-test %s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	seen[0] = '\0';
	optind = 0; /* getopt starts anew */
	argc = cli_parse(&cli, argc, argv, &values, dashes, e);
	if (values.flag)
		note("flag", "-", e);
	return argc;
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

static int verb_ran;

static int run_verb(int argc, char **argv)
{
	verb_ran = strcmp(argv[0], "walk") == 0 ? argc : 0;
	return EXIT_NO;
}

static const struct cli walk = { .tool = "mplcr-test", .verb = "walk", .summary = "walks", .run = run_verb };

static int run_tool(int argc, char **argv)
{
	(void)argv;
	return argc == 2 ? EXIT_PARTIAL : EXIT_DONE;
}

static void verbs(void)
{
	static const struct cli *const list[] = { &walk, NULL };
	const struct cli tool = { .tool = "mplcr-test", .about = "", .verbs = list };
	const struct cli both = { .tool = "mplcr-test", .about = "", .verbs = list, .run = run_tool };
	char *one[] = { "mplcr-test", "walk", "x", NULL }, *other[] = { "mplcr-test", "wal", NULL };

	ok(cli_main(&tool, 3, one) == EXIT_NO && verb_ran == 2, "a verb is run with what follows it");
	ok(cli_main(&tool, 2, other) == EXIT_USAGE, "a verb that is none is bad usage");
	ok(cli_main(&tool, 1, other) == EXIT_USAGE, "so is none at all");
	ok(cli_main(&both, 3, one) == EXIT_NO && verb_ran == 2, "a tool that does something itself can have verbs");
	ok(cli_main(&both, 2, other) == EXIT_PARTIAL, "and runs itself where there is none");
}

int main(void)
{
	struct err e = { 0 };
	bool dashes;

	good("", 1, "");
	good("-t a --other=b --other c -f --flag", 8, "thing=a;other=b;other=c;flag=-;");
	good("-ta -fq x", 3, "thing=a;flag=-;");
	ok(!cli_progress(), "--quiet: no progress");
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

	verbs();
	return done();
}
