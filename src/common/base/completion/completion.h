/* SPDX-License-Identifier: MIT */
/* What shells load to complete the command line of a tool, made of its option tables (base/options.h). */
#ifndef MPLCR_COMPLETION_H
#define MPLCR_COMPLETION_H

#include "base/options.h"

/*
 * Prints it on standard output, for "bash", "zsh" or "fish". Returns 0, or -1 where the shell is another one, or where
 * a table contradicts itself: nothing is printed then.
 */
int completion_print(const struct cli *tool, const char *shell, struct err *e);

#endif
