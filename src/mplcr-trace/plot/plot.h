/* SPDX-License-Identifier: MIT */
/*
 * Drawing, in three steps that know nothing of each other's work: plot.c reads the logs and chooses what is drawn,
 * script.c writes it as commands and data for gnuplot, run.c has gnuplot draw it.
 *
 * Whatever comes from a log or a file name reaches gnuplot either as a number or as a text between double quotes, in
 * which every byte that could mean something to gnuplot is an octal number (gnuplot: help quotes). Paths do not reach
 * it at all.
 */
#ifndef MPLCR_TRACE_PLOT_H
#define MPLCR_TRACE_PLOT_H

#include <stddef.h>
#include <stdio.h>

#include "model/model.h"

/* As many as there are colours that everybody can tell from each other on white. */
#define PLOT_MAX_CURVES 7

enum plot_type { PLOT_SVG, PLOT_PNG, PLOT_TEXT, PLOT_UNSAID };

#define PANELS_X(X) X(pending) X(bandwidth) X(phases) X(pause)
#define ONE_PANEL(name) PANEL_##name,
enum panel_kind { PANELS_X(ONE_PANEL) PANELS };
#undef ONE_PANEL

/* One checkpoint of one log. */
struct plot_curve {
	const struct checkpoint *checkpoint;
	char *label;
};

struct plot {
	enum plot_type type;
	unsigned wanted;   /* panels, one bit each: 1 << PANEL_… */
	int columns, rows; /* PLOT_TEXT: of one panel */
	struct plot_curve curves[PLOT_MAX_CURVES];
	size_t n_curves;
};

/*
 * Writes commands and data for gnuplot, which draw all wanted panels that the curves have figures for, into `output` (a
 * path that needs no quoting). Returns how many panels that are.
 */
size_t plot_script(FILE *script, const struct plot *p, const char *output);

/*
 * Has gnuplot draw. *bytes (malloc'd, the caller's) gets the picture, or the text. Returns 0, or -1: nothing to draw,
 * no gnuplot, or what gnuplot said.
 */
int plot_run(const struct plot *p, char **bytes, size_t *size, struct err *e) __attribute__((warn_unused_result));

#endif
