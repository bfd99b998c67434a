/* SPDX-License-Identifier: MIT */
#include "plot/script.h"
#include "model/measures.h"

#include <math.h>
#include <string.h>

#include "base/gnuplot.h"

/* Pixels. */
enum {
	WIDTH = 800,
	LEFT = 70,
	RIGHT = 24,
	TITLE = 30,
	AXIS = 56,
	CURVE_HEIGHT = 170,
	ROW_HEIGHT = 42,
	LINE = 18,
	GAP = 8
};

/* More points than this have no marks of their own. */
#define MARKS 40

/* Up to this many, label each iteration below the axis: gnuplot would label fractions. */
#define WHOLE_TICS 10

#define MIB (1024.0 * 1024.0)

/*
 * Colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people with any kind of colour vision can tell
 * apart, without yellow, which is too light for a line; dashes and marks for those who print in black.
 */
static const struct {
	const char *colour;
	int dash, mark;
} curve_styles[PLOT_MAX_CURVES] = {
	{ "#0072B2", 1, 7 }, { "#D55E00", 2, 5 }, { "#009E73", 4, 9 }, { "#CC79A7", 5, 13 },
	{ "#E69F00", 3, 6 }, { "#56B4E9", 1, 4 }, { "#000000", 2, 8 },
};

/* The larger one; `a` if `b` is NAN. */
static double larger(double a, double b)
{
	return b > a && isfinite(b) ? b : a;
}

/* Whether all points of the checkpoint have times; a curve with holes would mislead. */
static bool is_timed(const struct checkpoint *c)
{
	for (size_t i = 0; i < c->n_samples; i++)
		if (!isfinite(c->samples[i].time_ms))
			return false;
	return true;
}

/* The sample's place on the x axis, in seconds or iterations; NAN: none. */
static double x_of(const struct sample *s, bool timed)
{
	return timed ? s->time_ms / 1000 : (double)s->iteration;
}

/* Its height in MiB or MiB/s; NAN: none. */
static double y_of(const struct sample *s, enum panel_kind kind)
{
	if (kind == PANEL_bandwidth)
		return s->bandwidth / MIB;
	return s->pending_bytes == UNTOLD ? (double)NAN : (double)s->pending_bytes / MIB;
}

/* Whether the point can be drawn: a log can say anything. */
static bool is_point(double x, double y)
{
	return isfinite(x) && isfinite(y) && x >= 0 && y >= 0;
}

/* How many points the curve has in a panel of that kind. */
static size_t points_of(const struct checkpoint *c, enum panel_kind kind, bool timed)
{
	size_t n = 0;

	if (is_timed(c) != timed)
		return 0;
	for (size_t i = 0; i < c->n_samples; i++)
		if (is_point(x_of(&c->samples[i], timed), y_of(&c->samples[i], kind)))
			n++;
	return n;
}

static void put_points(FILE *f, const struct checkpoint *c, enum panel_kind kind, bool timed)
{
	for (size_t i = 0; i < c->n_samples; i++) {
		double x = x_of(&c->samples[i], timed), y = y_of(&c->samples[i], kind);

		if (is_point(x, y))
			fprintf(f, "%.6f %.6f\n", x, y);
	}
}

double plot_time_end(const struct plot *p)
{
	double end = 0.001; /* at least a millisecond, to have an axis */

	for (size_t i = 0; i < p->n_curves; i++) {
		const struct checkpoint *c = p->curves[i].checkpoint;

		for (size_t k = 0; k < c->n_samples; k++)
			end = larger(end, c->samples[k].time_ms / 1000);
		end = larger(end, timeline_end_ms(c) / 1000);
	}
	return end;
}

void plot_put_titles(FILE *f, const struct plot *p, const char *title, const char *x)
{
	if (p->type == PLOT_TEXT)
		fprintf(f, "set title '%s'\n", title);
	else
		fprintf(f, "set label 1 '%s' at graph 0, graph 1 offset 0, 0.8 left\n", title);
	fprintf(f, "set xlabel '%s' offset 0, 0.3\n", x);
}

/* The end of the axis of iterations. */
static uint64_t most_iterations(const struct plot *p)
{
	uint64_t most = 0;

	for (size_t i = 0; i < p->n_curves; i++)
		for (size_t k = 0; k < p->curves[i].checkpoint->n_samples; k++)
			if (p->curves[i].checkpoint->samples[k].iteration > most)
				most = p->curves[i].checkpoint->samples[k].iteration;
	return most;
}

static const char *const curve_titles[] = {
	[PANEL_pending] = "Memory still to be sent, MiB",
	[PANEL_bandwidth] = "Bandwidth, MiB/s",
};

/* How a curve looks; `points` is how many it has. */
static void put_style(FILE *f, size_t curve, size_t points)
{
	fprintf(f, " with linespoints lw 1.5 lc rgb '%s' dt %d pt %d ps 0.7 pi %zu", curve_styles[curve].colour,
		curve_styles[curve].dash, curve_styles[curve].mark, points / MARKS + 1);
}

/* A separate drawing with only the names of the curves. */
static void draw_legend(FILE *f, const struct plot *p)
{
	fputs("unset border\nunset tics\nset xrange [0:1]\nset yrange [0:1]\n"
	      "set key at graph 0, graph 1 left top vertical Left reverse noenhanced samplen 3\nplot",
	      f);
	for (size_t i = 0; i < p->n_curves; i++) {
		fputs(i ? ", NaN" : " NaN", f);
		put_style(f, i, 1);
		fputs(" title ", f);
		gnuplot_put_text(f, p->curves[i].label);
	}
	fputs("\nset border 3\nset xtics nomirror out\nunset key\n", f);
}

static void draw_curves(FILE *f, const struct plot *p, const struct panel *panel)
{
	const char *sign = "plot";

	plot_put_titles(f, p, curve_titles[panel->kind], panel->timed ? "time, s" : "iteration");
	if (panel->timed)
		fprintf(f, "set xrange [0:%.6f]\nset xtics auto\n", plot_time_end(p));
	else
		fprintf(f, "set xrange [0:*]\nset xtics %s\n", most_iterations(p) <= WHOLE_TICS ? "1" : "auto");
	fputs("set yrange [0:*]\nset ytics nomirror out\nset grid xtics ytics\n", f);
	for (size_t i = 0; i < p->n_curves; i++) {
		if (points_of(p->curves[i].checkpoint, panel->kind, panel->timed) == 0)
			continue;
		fprintf(f, "$curve%zu << END\n", i);
		put_points(f, p->curves[i].checkpoint, panel->kind, panel->timed);
		fputs("END\n", f);
	}
	for (size_t i = 0; i < p->n_curves; i++) {
		size_t n = points_of(p->curves[i].checkpoint, panel->kind, panel->timed);

		if (n == 0)
			continue;
		fprintf(f, "%s $curve%zu", sign, i);
		put_style(f, i, n);
		fputs(" title ", f);
		gnuplot_put_text(f, p->curves[i].label);
		sign = ",";
	}
	fputc('\n', f);
}

static bool is_timeline(const struct panel *panel)
{
	return panel->kind == PANEL_phases || panel->kind == PANEL_pause;
}

/* How many of the curves have figures for the panel. */
static size_t curves_in(const struct plot *p, const struct panel *panel)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_curves; i++) {
		const struct checkpoint *c = p->curves[i].checkpoint;

		n += is_timeline(panel) ? timeline_has(c, panel->kind) : points_of(c, panel->kind, panel->timed) > 0;
	}
	return n;
}

/* Logs without times have panels of their own. */
static const struct panel all_panels[] = {
	{ PANEL_pending, true },    { PANEL_bandwidth, true }, { PANEL_pending, false },
	{ PANEL_bandwidth, false }, { PANEL_phases, true },    { PANEL_pause, true },
};

#define ALL_PANELS (sizeof(all_panels) / sizeof(all_panels[0]))

/* Of the plot area, without titles and axes. */
static int height_of(const struct plot *p, const struct panel *panel)
{
	return is_timeline(panel) ? ROW_HEIGHT * (int)curves_in(p, panel) + LINE : CURVE_HEIGHT;
}

static void draw(FILE *f, const struct plot *p, const struct panel *panel)
{
	if (is_timeline(panel))
		timeline_draw(f, p, panel->kind);
	else
		draw_curves(f, p, panel);
}

static void put_text_script(FILE *f, const struct plot *p, const struct panel *const *panels, size_t n)
{
	fprintf(f, "set terminal dumb noenhanced mono size %d,%d\nset key default\n", p->columns, p->rows);
	for (size_t i = 0; i < n; i++)
		draw(f, p, panels[i]);
}

/* Where the next drawing begins, in pixels from the top of a picture of that height. */
static void put_margins(FILE *f, int top, int bottom, int height)
{
	fprintf(f, "set tmargin at screen %.5f\nset bmargin at screen %.5f\n", 1.0 - (double)top / height,
		1.0 - (double)bottom / height);
}

static void put_picture_script(FILE *f, const struct plot *p, const struct panel *const *panels, size_t n)
{
	bool curves = !is_timeline(panels[0]); /* bars have the names beside them */
	int legend = curves ? LINE * (int)p->n_curves + GAP : 0, height = legend + GAP, top = legend;

	for (size_t i = 0; i < n; i++)
		height += TITLE + height_of(p, panels[i]) + AXIS;
	gnuplot_put_terminal(f, p->type == PLOT_PNG, WIDTH, height);
	fprintf(f, "set multiplot\nset lmargin at screen %.5f\nset rmargin at screen %.5f\n", (double)LEFT / WIDTH,
		1.0 - (double)RIGHT / WIDTH);
	if (curves) {
		put_margins(f, GAP / 2, legend, height);
		draw_legend(f, p);
	}
	for (size_t i = 0; i < n; i++) {
		int bottom = top + TITLE + height_of(p, panels[i]);

		put_margins(f, top + TITLE, bottom, height);
		draw(f, p, panels[i]);
		top = bottom + AXIS;
	}
	fputs("unset multiplot\n", f);
}

size_t plot_script(FILE *f, const struct plot *p, const char *output)
{
	const struct panel *panels[ALL_PANELS];
	size_t n = 0;

	for (size_t i = 0; i < ALL_PANELS; i++)
		if (p->wanted >> all_panels[i].kind & 1 && curves_in(p, &all_panels[i]) > 0)
			panels[n++] = &all_panels[i];
	fprintf(f, "set encoding utf8\nset output '%s'\nset border 3\nset tics nomirror out\nunset key\n", output);
	if (n == 0)
		return 0;
	if (p->type == PLOT_TEXT)
		put_text_script(f, p, panels, n);
	else
		put_picture_script(f, p, panels, n);
	fputs("set output\n", f);
	return n;
}
