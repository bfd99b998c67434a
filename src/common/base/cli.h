/* SPDX-License-Identifier: MIT */
/*
 * The command-line conventions that every tool shares: one table of options, from which come the parsing and --help;
 * messages on stderr; exit statuses. Only main.c and the verb files of a tool use it; common code returns errors.
 */
#ifndef MPLCR_CLI_H
#define MPLCR_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define MPLCR_VERSION "0.1.0"

/* One option. A row with long name NULL is a heading in --help (its text in `help`). The table ends with CLI_END. */
struct cli_option {
	const char *name;  /* long name without dashes */
	char letter;       /* short form, or 0 */
	const char *value; /* what the argument is called in the help ("SECONDS"), or NULL where there is none */
	const char *help;  /* what it does, one or more lines separated by '\n' */
};

/* Rows of tables, which clang-format takes for blocks. */
/* clang-format off */
#define CLI_END { NULL, 0, NULL, NULL }

/* The options of every tool; put this row set into the table. Handled by cli_parse itself. */
#define CLI_COMMON_OPTIONS                                                                      \
	{ "quiet", 'q', NULL, "print no progress and no notes" },                               \
	{ "progress", 0, "WHEN", "show a progress line: always, never or auto\n"                \
				 "(default: when stderr is a terminal)" },                      \
	{ "help", 'h', NULL, "print this help and exit" },                                      \
	{ "version", 'V', NULL, "print the version and exit" }

#define CLI_VERBS_END { NULL, NULL, NULL }
/* clang-format on */

/* What a tool is, for --help and the parser. */
struct cli {
	const char *tool;  /* "mplcr-trigger" */
	const char *verb;  /* "walk", or NULL where the tool has no verbs */
	const char *usage; /* the usage line(s) after the tool's name and verb, '\n' separated */
	const char *about; /* one or two sentences */
	const struct cli_option *options;
	/*
	 * Called for each option of the table that is not one of CLI_COMMON_OPTIONS, in order: its name and its
	 * argument (NULL where it takes none). Returns 0, or -1 with a usage error.
	 */
	int (*set)(void *ctx, const char *name, const char *value, struct err *e);
};

/*
 * Parses argv. Prints help or version and exits 0 where asked. Returns the index of the first operand (operands may
 * stand between options; "--" ends the options, and *dashes, where not NULL, tells whether it was there), or -1 with a
 * usage error in *e. argv is reordered so that operands come last.
 */
int cli_parse(const struct cli *cli, int argc, char **argv, void *ctx, bool *dashes, struct err *e);

/* One verb of a tool that has several. The table ends with CLI_VERBS_END. */
struct cli_verb {
	const char *name;
	const char *help;                  /* what it does, in a line, for the tool's --help */
	int (*run)(int argc, char **argv); /* argv[0] is the verb; calls cli_parse; returns the exit status */
};

/*
 * The main of a tool with verbs: runs the one that argv[1] names, or prints help or version. Returns the exit status.
 * `about` is as in struct cli.
 */
int cli_main(const char *tool, const char *about, const struct cli_verb *verbs, int argc, char **argv);

/* The name that messages begin with; set by cli_parse and cli_main. */
const char *cli_tool(void);

/* Whether --quiet was given, and whether a progress line is to be shown. Set by cli_parse. */
bool cli_quiet(void);
bool cli_progress(void);

/* Prints the error and its hint on stderr, control bytes escaped. Returns the exit status of the error. */
int cli_report(const struct err *e);

/* Prints "TOOL: …" on stderr unless --quiet; for what a user should know though nothing failed. */
void cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints "TOOL: warning: …" on stderr, always. */
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Shows `fmt` as the progress line on stderr, over the one before, where progress is shown. Every message clears it;
 * cli_progress_end removes it.
 */
void cli_progress_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void cli_progress_end(void);

/*
 * Flushes stdout, the end of every tool: returns 0, or -1 with an error where the data could not be written (a full
 * disk, a closed pipe), which must not pass as success.
 */
int cli_flush(struct err *e);

/*
 * Copies `text` into `buf` with control bytes written as \xNN, so that a name cannot command a terminal. Returns buf.
 */
char *cli_escape(const char *text, char *buf, size_t size);

#endif
