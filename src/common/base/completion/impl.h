/* SPDX-License-Identifier: MIT */
/* Shared by the writers for the shells; see completion.c. */
#ifndef MPLCR_COMPLETION_IMPL_H
#define MPLCR_COMPLETION_IMPL_H

#include "base/completion/completion.h"

/* A writer: bash.c, zsh.c, fish.c. */
void completion_bash(const struct cli *tool);
void completion_zsh(const struct cli *tool);
void completion_fish(const struct cli *tool);

/* The options of a command; a tool that has nothing but verbs has --help and --version. */
const struct cli_option *completion_options(const struct cli *cli);

/* The first option at or after `o`, headings skipped. NULL: no more. */
const struct cli_option *completion_next(const struct cli_option *o);

/* for (const struct cli_option *o = …) over the options of a command */
#define COMPLETION_EACH(o, cli)                                                                                        \
	const struct cli_option *o = completion_next(completion_options(cli));                                         \
	o;                                                                                                             \
	o = completion_next(o + 1)

bool completion_repeats(const struct cli_option *o);

/* Whether one of the possible words is only the beginning of a value: "tcp:", "interval=". */
bool completion_goes_on(const struct cli_option *o);

/* The name of a shell function for the tool: "_mplcr_chain". */
void completion_put_function(const struct cli *tool);

/*
 * Prints the text for use between single quotes: a line feed as a blank, a single quote as `quote`, and a backslash
 * before each of the characters in `special`.
 */
void completion_put_text(const char *text, const char *special, const char *quote);

#endif
