/* SPDX-License-Identifier: MIT */
/*
 * The command line of a tool. Each command, a tool or one of its verbs, has a table with a row per option. Parsing,
 * --help and the completions of bash, zsh and fish all come from it. As in git's parse-options.h, a row gives the type
 * of the value and where it goes.
 *
 *	static const struct cli_option option_table[] = {
 *		{ NULL, 0, NULL, "Limits:", CLI_HEADING },
 *		{ "timeout", 't', "SECONDS", "give up after this time", TO_SECONDS(struct options, timeout_ms, 0) },
 *		{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct options, json) },
 *		CLI_COMMON_OPTIONS,
 *		CLI_END,
 *	};
 *
 * A row without a place for its value does not compile, nor does a row with a place of another type.
 */
#ifndef MPLCR_OPTIONS_H
#define MPLCR_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cli.h"
#include "base/err.h"
#include "base/path_list.h"

#define MPLCR_VERSION "0.1.0"

struct cli;
struct cli_option;

/* The kind of existing names that complete a value. */
enum cli_files { CLI_NO_FILES, CLI_FILES, CLI_DIRECTORIES, CLI_SOCKETS, CLI_CHECKPOINTS, CLI_PROGRAMS };

/* A possible value. A list of them ends with CLI_WORDS_END. */
struct cli_word {
	const char *word;
	const char *help; /* for the shells that show it, or NULL */
};

/* An option that was given. */
struct cli_given {
	const struct cli *cli;
	const struct cli_option *option;
	const char *value; /* NULL where the type takes none */
};

/* A type of values. `set` stores the value at the row's place or refuses it with a usage error; returns 0 or -1. */
struct cli_type {
	bool takes_value;
	bool repeats; /* may be given more than once, and all count */
	bool ends;    /* prints something and ends the tool */
	int (*set)(const struct cli_given *g, void *at, struct err *e);
};

/* Takes the value of an option with a type of its own; `options` comes from cli_parse. Returns 0 or -1. */
typedef int cli_call(void *options, const char *value, struct err *e);

/* The type of an option's value and where it goes. Made by the TO_… below. */
struct cli_target {
	const struct cli_type *type;
	size_t offset; /* of its place in the struct passed to cli_parse */
	uint64_t least, most;
	const struct cli_word *words;      /* the possible values, */
	struct cli_word (*word)(size_t i); /* or a function for them: the word at i; .word NULL is the end */
	enum cli_files files;              /* or the kind of file it names */
	cli_call *call;
	bool repeats; /* a call's: see cli_type */
};

/* One option. A row with long name NULL is a heading in --help (its text in `help`). The table ends with CLI_END. */
struct cli_option {
	const char *name;  /* long name without dashes */
	char letter;       /* short form, or 0 */
	const char *value; /* the argument's name in the help ("SECONDS"), or NULL without one */
	const char *help;  /* what it does, one or more lines separated by '\n'; NULL: the possible words,
			    * the first one by default */
	struct cli_target to;
};

extern const struct cli_type cli_type_flag, cli_type_text, cli_type_word, cli_type_words, cli_type_bytes,
	cli_type_number, cli_type_seconds, cli_type_list, cli_type_call, cli_type_quiet, cli_type_progress,
	cli_type_help, cli_type_version, cli_type_none;

/* Rows of tables, which clang-format takes for blocks. */
/* clang-format off */

/* The place of `member`, which must have the type `kind`. */
#define CLI_PLACE(options, member, kind) \
	(offsetof(options, member) + 0 * sizeof((kind *)0 == &((options *)0)->member))

/* bool: it was given. */
#define TO_FLAG(options, member) \
	{ .type = &cli_type_flag, .offset = CLI_PLACE(options, member, bool) }

/*
 * const char *: any text; the name of a file, directory or socket, or a command for the shell. It is not copied.
 * Completions for a text may follow: `.words = list`, `.word = function`.
 */
#define TO_FILE(options, member) TO_TEXT(options, member, .files = CLI_FILES)
#define TO_DIRECTORY(options, member) TO_TEXT(options, member, .files = CLI_DIRECTORIES)
#define TO_SOCKET(options, member) TO_TEXT(options, member, .files = CLI_SOCKETS)
#define TO_COMMAND(options, member) TO_TEXT(options, member, .files = CLI_PROGRAMS)
#define TO_TEXT(options, member, ...) \
	{ .type = &cli_type_text, .offset = CLI_PLACE(options, member, const char *) __VA_OPT__(,) __VA_ARGS__ }

/* An enum: the index of the word in the list. */
#define TO_WORD(options, member, list) \
	{ .type = &cli_type_word, .offset = CLI_PLACE(options, member, unsigned), .words = (list) }

/* The same with a list from a function: struct cli_word list(size_t i). */
#define TO_WORD_OF(options, member, list) \
	{ .type = &cli_type_word, .offset = CLI_PLACE(options, member, unsigned), .word = (list) }

/* unsigned: a bit for each word that was given, 1 << its index in the list. */
#define TO_WORDS(options, member, list) \
	{ .type = &cli_type_words, .offset = CLI_PLACE(options, member, unsigned), .words = (list) }
#define TO_WORDS_OF(options, member, list) \
	{ .type = &cli_type_words, .offset = CLI_PLACE(options, member, unsigned), .word = (list) }

/* uint64_t: bytes, with K, M, G or T. */
#define TO_BYTES(options, member) \
	{ .type = &cli_type_bytes, .offset = CLI_PLACE(options, member, uint64_t) }

/* uint64_t: a number from `low` to `high`. */
#define TO_NUMBER(options, member, low, high) \
	{ .type = &cli_type_number, .offset = CLI_PLACE(options, member, uint64_t), .least = (low), .most = (high) }

/* uint64_t: seconds, perhaps with a fraction, stored in milliseconds; more than 0, at most `seconds` (0: no limit). */
#define TO_SECONDS(options, member, seconds) \
	{ .type = &cli_type_seconds, .offset = CLI_PLACE(options, member, uint64_t), .most = (seconds) }

/* struct path_list: adds a copy of each value given. `names` is the kind of completion. */
#define TO_LIST(options, member, names) \
	{ .type = &cli_type_list, .offset = CLI_PLACE(options, member, struct path_list), .files = (names) }

/* Calls function(&options, value, &err); completions may follow, as `.words = list`, and `.repeats = true`. */
#define TO_CALL(function, ...) \
	{ .type = &cli_type_call, .call = (function) __VA_OPT__(,) __VA_ARGS__ }

#define CLI_HEADING { .type = &cli_type_none }
#define CLI_END { NULL, 0, NULL, NULL, CLI_HEADING }
#define CLI_WORDS_END { NULL, NULL }

/* The options of every command, for every table. */
#define CLI_COMMON_OPTIONS                                                                                     \
	{ "quiet", 'q', NULL, "print no progress and no notes", { .type = &cli_type_quiet } },                 \
	{ "progress", 0, "WHEN", "show a progress line: always, never or auto\n"                               \
				 "(default: when stderr is a terminal)",                               \
	  { .type = &cli_type_progress, .words = cli_progress_words } },                                       \
	{ "help", 'h', NULL, "print this help and exit", { .type = &cli_type_help } },                         \
	{ "version", 'V', NULL, "print the version and exit", { .type = &cli_type_version } }
/* clang-format on */

extern const struct cli_word cli_progress_words[];

/* A command: a tool, or a verb of one. */
struct cli {
	const char *tool;                 /* "mplcr-trigger" */
	const char *verb;                 /* "walk", or NULL for the tool */
	const char *summary;              /* of a verb: what it does, in a line, for the tool's --help */
	const char *usage;                /* the usage line(s) after the tool's name and verb, '\n' separated */
	const char *about;                /* one or two sentences */
	const struct cli_option *options; /* NULL: a tool that only has verbs */
	enum cli_files operands;          /* the kind of names, */
	int most_operands;                /* and the largest number, 0: any; both for the shells */
	const char *command;              /* after -- comes a command that begins so, or NULL */
	int (*run)(int argc, char **argv); /* calls cli_parse; of a verb, argv[0] is the verb. Returns the exit status */
	const struct cli *const *verbs;   /* of a tool, or NULL; ends with NULL */
};

/*
 * Parses argv and stores the options in `options`, the struct that the rows refer to. Prints help or version and exits
 * 0 if asked. Returns the index of the first operand, or -1 with a usage error in *e. Options and operands may mix, and
 * "--" ends the options; *dashes, unless NULL, tells whether it was given. Reorders argv so that operands come last.
 */
int cli_parse(const struct cli *cli, int argc, char **argv, void *options, bool *dashes, struct err *e);

/*
 * The main of a tool: runs the verb that argv[1] names, or the tool itself; a tool that only has verbs prints help or
 * version itself. Returns the exit status. TOOL --completion bash|zsh|fish prints the completion script for that shell;
 * the build installs it, so no help mentions it.
 */
int cli_main(const struct cli *tool, int argc, char **argv);

/* The possible word at `i`; .word is NULL at the end and for values that can be anything. */
struct cli_word cli_word_at(const struct cli_target *to, size_t i);

/* The same as a list, with `mark` behind the first: "auto (default), never or always". */
void cli_list_words(const struct cli_target *to, const char *mark, char *buf, size_t size);

/* The option's text in --help; may use `buf`. */
const char *cli_help_of(const struct cli_option *o, char *buf, size_t size);

/* Print the texts of --help and --version. */
void cli_print_help(const struct cli *cli);
void cli_print_version(const struct cli *cli);

#endif
