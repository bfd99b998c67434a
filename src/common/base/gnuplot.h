/* SPDX-License-Identifier: MIT */
/*
 * Pictures, drawn by gnuplot, which is run without a shell and without the user's settings.
 *
 * Data from files reaches it either as a number or as a text in double quotes, in which every byte is an octal number
 * (gnuplot: help quotes). Paths never reach it.
 */
#ifndef MPLCR_GNUPLOT_H
#define MPLCR_GNUPLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

/* A PNG has this many dots for each pixel, so that it can be printed. */
#define GNUPLOT_PNG_SCALE 2

/*
 * Writes commands and data for gnuplot that draw into `output`, a path that needs no quoting. Returns 0, or -1 with an
 * error.
 */
typedef int gnuplot_write(FILE *script, const char *output, const void *ctx, struct err *e);

/*
 * Runs gnuplot. *bytes (malloc'd, the caller's) gets the picture. `without` is what works where gnuplot is missing, for
 * the hint. Returns 0, or -1: nothing to draw, no gnuplot, or gnuplot's error.
 */
int gnuplot_run(gnuplot_write *write, const void *ctx, const char *without, char **bytes, size_t *size, struct err *e)
	__attribute__((warn_unused_result));

/* Writes the command that chooses PNG or SVG, of that size in pixels. */
void gnuplot_put_terminal(FILE *script, bool png, int width, int height);

/* Writes the text in quotes; control bytes become '?'. */
void gnuplot_put_text(FILE *script, const char *text);

#endif
