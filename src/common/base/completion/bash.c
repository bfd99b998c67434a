/* SPDX-License-Identifier: MIT */
/* For bash: one function for the tool, and one that finds names of files. */
#include <stdio.h>
#include <string.h>

#include "base/completion/impl.h"

/* The kinds of files, by their names in the bash functions. */
static const char *const kinds[] = {
	[CLI_NO_FILES] = "",
	[CLI_FILES] = "file",
	[CLI_DIRECTORIES] = "directory",
	[CLI_SOCKETS] = "socket",
	[CLI_CHECKPOINTS] = "checkpoint",
	[CLI_PROGRAMS] = "program",
};

/* Takes a kind and the beginning of a name; also offers directories. */
static const char names_function[] =
	"_names() {\n"
	"    local name\n"
	"    if [[ $1 == program ]]; then\n"
	"        mapfile -t COMPREPLY < <(compgen -c -- \"$2\")\n"
	"        return\n"
	"    fi\n"
	"    while IFS= read -r name; do\n"
	"        if [[ $1 == checkpoint && $name == *.ckpt && -d $name ]]; then\n"
	"            COMPREPLY+=(\"$name\")\n"
	"        elif [[ -d $name ]]; then\n"
	"            COMPREPLY+=(\"$name/\")\n"
	"        elif [[ ($1 == socket && -S $name) || ($1 == file && (-f $name || -b $name)) ]]; then\n"
	"            COMPREPLY+=(\"$name\")\n"
	"        fi\n"
	"    done < <(compgen -f -- \"$2\")\n"
	"    compopt -o filenames\n"
	"    [[ ${COMPREPLY[0]-} != */ ]] || compopt -o nospace\n"
	"}\n";

/*
 * Finds the word to complete, $current, and the option whose value it is, if any. bash splits --option=value into three
 * words.
 */
static const char find_option[] =
	"    local current=${COMP_WORDS[COMP_CWORD]} previous='' option='' verb='' options='' operands='' words='' "
	"names=''\n"
	"    ((COMP_CWORD == 0)) || previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"    COMPREPLY=()\n"
	"    if [[ $current == '=' ]]; then\n"
	"        option=$previous current=''\n"
	"    elif [[ $previous == '=' ]] && ((COMP_CWORD >= 2)); then\n"
	"        option=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"    else\n"
	"        option=$previous\n"
	"    fi\n";

static const char after_dashes[] = "    local i\n"
				   "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
				   "        if [[ ${COMP_WORDS[i]} == -- ]]; then\n"
				   "            compopt -o default\n"
				   "            ((i + 1 < COMP_CWORD)) || mapfile -t COMPREPLY < <(compgen -c -- "
				   "\"${current:-%s}\")\n"
				   "            return\n"
				   "        fi\n"
				   "    done\n";

static const char *verb_of(const struct cli *cli)
{
	return cli->verb ? cli->verb : "";
}

/* verb:--option | verb:-o) */
static void put_pattern(const struct cli *cli, const struct cli_option *o)
{
	printf("    %s:--%s", verb_of(cli), o->name);
	if (o->letter)
		printf(" | %s:-%c", verb_of(cli), o->letter);
	fputs(") ", stdout);
}

/* Leaves out words with a colon inside: for bash, the colon ends the word. */
static void put_words(const struct cli_option *o)
{
	const char *word, *blank = "";

	fputs("words='", stdout);
	for (size_t i = 0; (word = cli_word_at(&o->to, i).word); i++) {
		const char *colon = strchr(word, ':');

		if (colon && colon[1])
			continue;
		printf("%s%s", blank, word);
		blank = " ";
	}
	printf("'%s ;;\n", completion_goes_on(o) ? " && compopt -o nospace" : "");
}

static void put_values(const struct cli *cli)
{
	for (COMPLETION_EACH(o, cli)) {
		if (!o->value)
			continue;
		put_pattern(cli, o);
		if (cli_word_at(&o->to, 0).word)
			put_words(o);
		else if (o->to.files)
			printf("names='%s' ;;\n", kinds[o->to.files]);
		else
			puts("return ;;");
	}
}

static void put_options(const struct cli *cli)
{
	const char *blank = "";

	fputs("options='", stdout);
	for (COMPLETION_EACH(o, cli)) {
		printf("%s--%s", blank, o->name);
		blank = " ";
	}
	printf("%s' operands='%s'", cli->command ? " --" : "", kinds[cli->operands]);
}

/* Finds the verb and its options. */
static void put_verbs(const struct cli *tool)
{
	if (!tool->verbs)
		return;
	puts("    case $((COMP_CWORD > 1)):${COMP_WORDS[1]-} in");
	for (const struct cli *const *v = tool->verbs; *v; v++) {
		printf("    1:%s) verb=%s ", (*v)->verb, (*v)->verb);
		put_options(*v);
		puts(" ;;");
	}
	fputs("    0:*) options+='", stdout);
	for (const struct cli *const *v = tool->verbs; *v; v++)
		printf(" %s", (*v)->verb);
	puts("' ;;\n    esac");
}

static void put_cases(const struct cli *tool)
{
	puts("    case $verb:$option in");
	put_values(tool);
	for (const struct cli *const *v = tool->verbs; v && *v; v++)
		put_values(*v);
	puts("    *)\n"
	     "        if [[ -n $operands && $current != -* ]]; then names=$operands; else words=$options; fi\n"
	     "        ;;\n"
	     "    esac");
}

void completion_bash(const struct cli *tool)
{
	printf("# SPDX-License-Identifier: MIT\n# shellcheck shell=bash\n# bash completion for %s, made by %s "
	       "--completion bash\n\n",
	       tool->tool, tool->tool);
	puts("# Adds the names that begin with $2 and are of the kind $1, and directories to go on into.");
	completion_put_function(tool);
	puts(names_function);
	completion_put_function(tool);
	printf("() {\n%s    ", find_option);
	put_options(tool);
	putchar('\n');
	put_verbs(tool);
	if (tool->command) {
		puts("    # What follows -- is a command line.");
		printf(after_dashes, tool->command);
	}
	put_cases(tool);
	fputs("    if [[ -n $names ]]; then\n        ", stdout);
	completion_put_function(tool);
	puts("_names \"$names\" \"$current\"\n"
	     "    else\n"
	     "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
	     "    fi\n"
	     "}\n");
	fputs("complete -F ", stdout);
	completion_put_function(tool);
	printf(" %s\n", tool->tool);
}
