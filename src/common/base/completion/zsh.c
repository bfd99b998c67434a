/* SPDX-License-Identifier: MIT */
/* For zsh: a call of _arguments (zshcompsys(1)) with the specs of the tool or of the verb given. */
#include <ctype.h>
#include <stdio.h>

#include "base/completion/impl.h"

#define QUOTE "'\\''"

/* The heading above the candidates, and the candidates. */
static const struct {
	const char *message, *action;
} kinds[] = {
	[CLI_NO_FILES] = { "argument", " " },
	[CLI_FILES] = { "file", "_files" },
	[CLI_DIRECTORIES] = { "directory", "_files -/" },
	[CLI_SOCKETS] = { "socket", "_files -g \"*(=)\"" },
	[CLI_CHECKPOINTS] = { "checkpoint", "_files -/ -g \"*.ckpt(-/)\"" },
	[CLI_PROGRAMS] = { "command", "_cmdstring" },
};

static const char after_dashes[] = "# What follows -- is a command line.\n"
				   "integer dashes=$words[(i)--]\n"
				   "if (( dashes < CURRENT )); then\n"
				   "    words=(\"${(@)words[dashes + 1, -1]}\")\n"
				   "    (( CURRENT -= dashes ))\n"
				   "    _normal\n"
				   "    return\n"
				   "fi\n";

/* ((word\:"help" …)) */
static void put_word(const char *word, const char *help)
{
	fputs(word, stdout);
	fputs("\\:\"", stdout);
	completion_put_text(help, "\":$`\\", QUOTE);
	putchar('"');
}

/* (word …), or with help where there is some */
static void put_words(const struct cli_option *o)
{
	bool helps = false;
	const char *word;

	for (size_t i = 0; cli_word_at(&o->to, i).word; i++)
		helps |= cli_word_at(&o->to, i).help != NULL;
	fputs(helps ? "((" : "(", stdout);
	for (size_t i = 0; (word = cli_word_at(&o->to, i).word); i++) {
		fputs(i ? " " : "", stdout);
		if (cli_word_at(&o->to, i).help)
			put_word(word, cli_word_at(&o->to, i).help);
		else
			completion_put_text(word, ":", QUOTE);
	}
	fputs(helps ? "))" : ")", stdout);
}

static void put_value(const struct cli_option *o)
{
	putchar(':');
	for (const char *c = o->value; *c; c++)
		if (*c == ':')
			fputs("\\:", stdout);
		else
			putchar(tolower((unsigned char)*c));
	putchar(':');
	if (cli_word_at(&o->to, 0).word)
		put_words(o);
	else
		fputs(kinds[o->to.files].action, stdout);
}

/* The options that exclude this one: itself, unless it repeats; everything, for --help. */
static void put_exclusions(const struct cli_option *o)
{
	if (completion_repeats(o))
		putchar('*');
	else if (o->to.type->ends)
		fputs("(- *)", stdout);
	else if (o->letter)
		printf("(-%c --%s)", o->letter, o->name);
}

static void put_option(const struct cli_option *o)
{
	char words[200];

	fputs("    '", stdout);
	put_exclusions(o);
	if (o->letter)
		printf("'{-%c%s,--%s%s}'", o->letter, o->value ? "+" : "", o->name, o->value ? "=" : "");
	else
		printf("--%s%s", o->name, o->value ? "=" : "");
	putchar('[');
	completion_put_text(cli_help_of(o, words, sizeof(words)), "[]:\\", QUOTE);
	putchar(']');
	if (o->value)
		put_value(o);
	puts("'");
}

static void put_verbs(const struct cli *tool)
{
	fputs("    '1:verb:((", stdout);
	for (const struct cli *const *v = tool->verbs; *v; v++) {
		fputs(v == tool->verbs ? "" : " ", stdout);
		put_word((*v)->verb, (*v)->summary);
	}
	puts("))'");
}

static void put_operands(const struct cli *cli)
{
	const char *message = kinds[cli->operands].message, *action = kinds[cli->operands].action;

	if (cli->verbs)
		put_verbs(cli);
	for (int i = 1; i <= cli->most_operands; i++)
		printf("    '%d:%s:%s'\n", i, message, action);
	if (cli->operands && cli->most_operands == 0)
		printf("    '*:%s:%s'\n", message, action);
}

static void put_command(const struct cli *cli)
{
	puts("specs=(");
	for (COMPLETION_EACH(o, cli))
		put_option(o);
	put_operands(cli);
	puts(")");
}

/* The verb's own words are completed as if the verb were the command. */
static void put_verb_cases(const struct cli *tool)
{
	puts("case $(( CURRENT > 2 )):$words[2] in");
	for (const struct cli *const *v = tool->verbs; *v; v++) {
		printf("1:%s)\n", (*v)->verb);
		put_command(*v);
		puts("shift words\n(( CURRENT-- ))\n;;");
	}
	puts("esac");
}

void completion_zsh(const struct cli *tool)
{
	printf("#compdef %s\n# SPDX-License-Identifier: MIT\n# zsh completion for %s, made by %s --completion zsh\n\n"
	       "local -a specs\n",
	       tool->tool, tool->tool, tool->tool);
	put_command(tool);
	if (tool->verbs)
		put_verb_cases(tool);
	if (tool->command)
		fputs(after_dashes, stdout);
	puts("_arguments -s -S $specs");
}
