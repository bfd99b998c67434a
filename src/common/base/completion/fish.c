/* SPDX-License-Identifier: MIT */
/* For fish: one call of complete per option of each command, conditional on that command. */
#include <stdio.h>

#include "base/completion/impl.h"

#define QUOTE "\\'"

/*
 * The function that lists the names of each kind; NULL: fish itself does. "names" stands for the tool's own function.
 */
static const struct {
	bool own;
	const char *list;
} kinds[] = {
	[CLI_NO_FILES] = { false, NULL },
	[CLI_FILES] = { false, NULL },
	[CLI_DIRECTORIES] = { false, "__fish_complete_directories" },
	[CLI_SOCKETS] = { true, "names socket" },
	[CLI_CHECKPOINTS] = { true, "names checkpoint" },
	[CLI_PROGRAMS] = { false, "__fish_complete_command" },
};

/* Whether the verb is one of the arguments. */
static const char verb_function[] = "verb\n"
				    "    set -l words (commandline -opc)\n"
				    "    contains -- \"$words[2]\" $argv\n"
				    "end\n";

/* The names of the kind $argv[1] that begin like the word at the cursor; also offers directories. */
static const char names_function[] = "names\n"
				     "    for name in (commandline -ct | string replace -r -- '^--[^=]*=' '')*\n"
				     "        if test -d $name\n"
				     "            test $argv[1] = checkpoint; and string match -q -- '*.ckpt' $name; "
				     "and echo $name; or echo $name/\n"
				     "        else if test $argv[1] = socket -a -S $name\n"
				     "            echo $name\n"
				     "        end\n"
				     "    end\n"
				     "end\n";

/* The name of a function of ours, up to its last word. */
static void put_function(const struct cli *tool)
{
	putchar('_');
	completion_put_function(tool);
	putchar('_');
}

/* complete -c TOOL, conditional on this command. */
static void put_complete(const struct cli *tool, const struct cli *cli)
{
	printf("complete -c %s", tool->tool);
	if (!tool->verbs)
		return;
	fputs(cli->verb ? " -n '" : " -n 'not ", stdout);
	put_function(tool);
	fputs("verb", stdout);
	if (cli->verb)
		printf(" %s", cli->verb);
	for (const struct cli *const *v = tool->verbs; !cli->verb && *v; v++)
		printf(" %s", (*v)->verb);
	putchar('\'');
}

static void put_help(const char *help)
{
	fputs(" -d '", stdout);
	completion_put_text(help, "\\", QUOTE);
	puts("'");
}

/* -a 'word …', with help behind a tab where there is some */
static void put_words(const struct cli_option *o)
{
	const char *word;

	fputs(" -a '", stdout);
	for (size_t i = 0; (word = cli_word_at(&o->to, i).word); i++) {
		printf("%s%s", i ? " " : "", word);
		if (!cli_word_at(&o->to, i).help)
			continue;
		fputs("\\t\"", stdout);
		completion_put_text(cli_word_at(&o->to, i).help, "\"$\\", QUOTE);
		putchar('"');
	}
	putchar('\'');
}

static void put_names(const struct cli *tool, enum cli_files files)
{
	fputs(" -a '(", stdout);
	if (kinds[files].own)
		put_function(tool);
	printf("%s)'", kinds[files].list);
}

static void put_value(const struct cli *tool, const struct cli_option *o)
{
	if (!o->value)
		return;
	if (!cli_word_at(&o->to, 0).word && o->to.files == CLI_FILES) {
		fputs(" -r -F", stdout);
		return;
	}
	fputs(" -x", stdout);
	if (cli_word_at(&o->to, 0).word)
		put_words(o);
	else if (kinds[o->to.files].list)
		put_names(tool, o->to.files);
}

static void put_command(const struct cli *tool, const struct cli *cli)
{
	char words[200];

	for (COMPLETION_EACH(o, cli)) {
		put_complete(tool, cli);
		if (o->letter)
			printf(" -s %c", o->letter);
		printf(" -l %s", o->name);
		put_value(tool, o);
		put_help(cli_help_of(o, words, sizeof(words)));
	}
	if (!cli->operands)
		return;
	put_complete(tool, cli);
	if (cli->operands == CLI_FILES)
		fputs(" -F", stdout);
	else
		put_names(tool, cli->operands);
	putchar('\n');
}

void completion_fish(const struct cli *tool)
{
	printf("# SPDX-License-Identifier: MIT\n# fish completion for %s, made by %s --completion fish\n\n", tool->tool,
	       tool->tool);
	fputs("function ", stdout);
	put_function(tool);
	puts(verb_function);
	fputs("function ", stdout);
	put_function(tool);
	puts(names_function);
	printf("complete -c %s -f\n", tool->tool);
	for (const struct cli *const *v = tool->verbs; v && *v; v++) {
		printf("complete -c %s -n 'test (count (commandline -opc)) -eq 1' -a %s", tool->tool, (*v)->verb);
		put_help((*v)->summary);
	}
	put_command(tool, tool);
	for (const struct cli *const *v = tool->verbs; v && *v; v++)
		put_command(tool, *v);
}
