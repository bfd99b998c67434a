/* SPDX-License-Identifier: MIT */
/* Shared by the two writers of gnuplot commands: script.c draws curves, timeline.c bars of time. */
#ifndef MPLCR_TRACE_PLOT_SCRIPT_H
#define MPLCR_TRACE_PLOT_SCRIPT_H

#include <stdbool.h>
#include <stdio.h>

#include "plot/plot.h"

/* One of the drawings, which are stacked. */
struct panel {
	enum panel_kind kind;
	bool timed; /* curves over time; else over iterations */
};

/* Writes the commands for the panel's heading and, below it, the name of the x axis. */
void plot_put_titles(FILE *f, const struct plot *p, const char *title, const char *x);

/* The end of the time axis that panels share, in seconds. */
double plot_time_end(const struct plot *p);

/* Whether the log has the panel's data (phases or pause) for the checkpoint. */
bool timeline_has(const struct checkpoint *c, enum panel_kind kind);

/* The end of the last known phase in ms since the checkpoint began; 0 without any. */
double timeline_end_ms(const struct checkpoint *c);

/* Writes the commands and data of the panel, with a bar for each curve that has one. */
void timeline_draw(FILE *f, const struct plot *p, enum panel_kind kind);

#endif
