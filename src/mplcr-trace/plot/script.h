/* SPDX-License-Identifier: MIT */
/* What the two writers of gnuplot commands share: script.c draws curves, timeline.c bars of time. */
#ifndef MPLCR_TRACE_PLOT_SCRIPT_H
#define MPLCR_TRACE_PLOT_SCRIPT_H

#include <stdbool.h>
#include <stdio.h>

#include "plot/plot.h"

/* One of the drawings, which are above each other. */
struct panel {
	enum panel_kind kind;
	bool timed; /* of the curves, those over time; else those over iterations */
};

/* Writes the text in quotes, see plot.h; control bytes become '?'. */
void plot_put_text(FILE *f, const char *text);

/* Writes the commands for the panel's heading and, below it, the name of the x axis. */
void plot_put_titles(FILE *f, const struct plot *p, const char *title, const char *x);

/* The end of the time axis that panels share, in seconds. */
double plot_time_end(const struct plot *p);

/* Whether the log tells what the panel (phases or pause) draws of the checkpoint. */
bool timeline_has(const struct checkpoint *c, enum panel_kind kind);

/* When the last phase ended that is known, in ms since the checkpoint began; 0 where none is. */
double timeline_end_ms(const struct checkpoint *c);

/* Writes the commands and data of the panel: a bar for each curve that has one. */
void timeline_draw(FILE *f, const struct plot *p, enum panel_kind kind);

#endif
