/* SPDX-License-Identifier: MIT */
/*
 * Drawing, in two independent steps: plot.c reads the logs and chooses what to draw, script.c writes commands and data
 * for gnuplot (base/gnuplot.h).
 */
#ifndef MPLCR_TRACE_PLOT_H
#define MPLCR_TRACE_PLOT_H

#include <stddef.h>
#include <stdio.h>

#include "model/model.h"

/* The number of colours that everybody can tell apart on white. */
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
 * Writes commands and data for gnuplot that draw all wanted panels for which the curves have figures into `output` (a
 * path that needs no quoting). Returns the number of panels.
 */
size_t plot_script(FILE *script, const struct plot *p, const char *output);

#endif
