/* SPDX-License-Identifier: MIT */
/* Completion scripts for shells, generated from the option tables of a tool (base/options.h). */
#ifndef MPLCR_COMPLETION_H
#define MPLCR_COMPLETION_H

#include "base/options.h"

/*
 * Prints the script for "bash", "zsh" or "fish" on standard output. Returns 0, or -1, with nothing printed, for any
 * other shell or if a table contradicts itself.
 */
int completion_print(const struct cli *tool, const char *shell, struct err *e);

#endif
