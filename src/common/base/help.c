/* SPDX-License-Identifier: MIT */
/* --help and --version. */
#include <stdio.h>
#include <string.h>

#include "base/options.h"

#define HELP_COLUMN 30 /* where the text of an option begins */

/* Prints `text`, its further lines indented to `column`. */
static void print_indented(const char *text, int column)
{
	for (; *text; text++) {
		putchar(*text);
		if (*text == '\n')
			printf("%*s", column, "");
	}
	putchar('\n');
}

static void print_option(const struct cli_option *o)
{
	char left[64], words[200];

	snprintf(left, sizeof(left), "%c%c%c --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
		 o->letter ? ',' : ' ', o->name, o->value ? " " : "", o->value ? o->value : "");
	if (strlen(left) > HELP_COLUMN - 3)
		printf("  %s\n%*s", left, HELP_COLUMN, "");
	else
		printf("  %-*s", HELP_COLUMN - 2, left);
	print_indented(cli_help_of(o, words, sizeof(words)), HELP_COLUMN);
}

static void print_verbs(const struct cli *cli)
{
	printf("usage: %s VERB [OPTION]... [ARGUMENT]...\n\n%s\n\nVerbs (%s VERB --help tells more):\n", cli->tool,
	       cli->about, cli->tool);
	for (const struct cli *const *v = cli->verbs; *v; v++)
		printf("  %-10s  %s\n", (*v)->verb, (*v)->summary);
}

static void print_options(const struct cli *cli)
{
	int column = printf("usage: %s%s%s ", cli->tool, cli->verb ? " " : "", cli->verb ? cli->verb : "");

	print_indented(cli->usage, column);
	printf("\n%s\n", cli->about);
	for (const struct cli_option *o = cli->options; o->name || o->help; o++)
		if (o->name)
			print_option(o);
		else
			printf("\n%s\n", o->help);
}

void cli_print_help(const struct cli *cli)
{
	if (cli->options)
		print_options(cli);
	else
		print_verbs(cli);
}

void cli_print_version(const struct cli *cli)
{
	printf("%s %s\n", cli->tool, MPLCR_VERSION);
}
