/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include <getopt.h>
#include <string.h>

#include "base/completion/completion.h"

#define MAX_OPTIONS 64

/* --- parsing ---------------------------------------------------------------------------------------------------- */

/* Fills getopt's own tables from the option table. Returns how many options there are. */
static int build_tables(const struct cli *cli, struct option *longs, const struct cli_option **rows, char *shorts)
{
	int n = 0;

	*shorts++ = ':';
	for (const struct cli_option *o = cli->options; o->name || o->help; o++) {
		bool takes_value = o->to.type->takes_value;

		if (!o->name)
			continue;
		longs[n] = (struct option){ o->name, takes_value ? required_argument : no_argument, NULL, 0 };
		rows[n++] = o;
		if (o->letter) {
			*shorts++ = o->letter;
			if (takes_value)
				*shorts++ = ':';
		}
	}
	*shorts = '\0';
	longs[n] = (struct option){ 0 };
	return n;
}

static const struct cli_option *row_of_letter(const struct cli_option **rows, int n, int letter)
{
	for (int i = 0; i < n; i++)
		if (rows[i]->letter == letter)
			return rows[i];
	return NULL;
}

static int bad_option(const struct cli *cli, int c, char **argv, struct err *e)
{
	if (optopt && c == ':' && argv[optind - 1][1] != '-')
		err_usage(e, "option '-%c' needs a value", optopt);
	else if (c == ':')
		err_usage(e, "option '%s' needs a value", argv[optind - 1]);
	else if (optopt && argv[optind - 1][1] != '-')
		err_usage(e, "unknown option '-%c'", optopt);
	else if (strchr(argv[optind - 1], '=') && optopt == 0)
		err_usage(e, "option '%s' is unknown or takes no value", argv[optind - 1]);
	else
		err_usage(e, "unknown option '%s'", argv[optind - 1]);
	return err_hint(e, "%s%s%s --help lists the options", cli->tool, cli->verb ? " " : "",
			cli->verb ? cli->verb : "");
}

int cli_parse(const struct cli *cli, int argc, char **argv, void *options, bool *dashes, struct err *e)
{
	struct option longs[MAX_OPTIONS + 1];
	const struct cli_option *rows[MAX_OPTIONS];
	char shorts[2 * MAX_OPTIONS + 2];
	int n = build_tables(cli, longs, rows, shorts), c, index;

	cli_set_tool(cli->tool);
	opterr = 0;
	while (index = -1, (c = getopt_long(argc, argv, shorts, longs, &index)) != -1) {
		struct cli_given given = { .cli = cli, .value = optarg };

		if (c == '?' || c == ':')
			return bad_option(cli, c, argv, e);
		given.option = c == 0 ? rows[index] : row_of_letter(rows, n, c);
		if (given.option->to.type->set(&given, (char *)options + given.option->to.offset, e) < 0)
			return -1;
	}
	if (dashes)
		*dashes = strcmp(argv[optind - 1], "--") == 0;
	return optind;
}

/* --- tools and verbs -------------------------------------------------------------------------------------------- */

static const struct cli *verb_named(const struct cli *tool, const char *name)
{
	for (const struct cli *const *v = tool->verbs; v && *v; v++)
		if (strcmp((*v)->verb, name) == 0)
			return *v;
	return NULL;
}

/* A tool that only has verbs, called without one. */
static int run_verbless(const struct cli *tool, const char *asked)
{
	struct err e;

	if (asked && (strcmp(asked, "--help") == 0 || strcmp(asked, "-h") == 0)) {
		cli_print_help(tool);
		return cli_flush(&e) < 0 ? cli_report(&e) : EXIT_DONE;
	}
	if (asked && (strcmp(asked, "--version") == 0 || strcmp(asked, "-V") == 0)) {
		cli_print_version(tool);
		return cli_flush(&e) < 0 ? cli_report(&e) : EXIT_DONE;
	}
	if (asked)
		err_usage(&e, "unknown verb '%s'", asked);
	else
		err_usage(&e, "a verb is missing");
	err_hint(&e, "%s --help lists the verbs", tool->tool);
	return cli_report(&e);
}

static int print_completion(const struct cli *tool, const char *shell)
{
	struct err e;

	return completion_print(tool, shell, &e) < 0 || cli_flush(&e) < 0 ? cli_report(&e) : EXIT_DONE;
}

int cli_main(const struct cli *tool, int argc, char **argv)
{
	const char *asked = argc > 1 ? argv[1] : NULL;
	const struct cli *verb = asked ? verb_named(tool, asked) : NULL;

	cli_set_tool(tool->tool);
	if (verb)
		return verb->run(argc - 1, argv + 1);
	if (argc == 3 && strcmp(asked, "--completion") == 0)
		return print_completion(tool, argv[2]);
	return tool->run ? tool->run(argc, argv) : run_verbless(tool, asked);
}
