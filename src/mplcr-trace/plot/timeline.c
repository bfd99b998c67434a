/* SPDX-License-Identifier: MIT */
#include "plot/script.h"

#include <math.h>
#include <string.h>

#include "base/gnuplot.h"

/*
 * The look of the phases: a colour and, where neighbours look alike in grey, a pattern. Phases come first, then the
 * parts of the pause.
 */
static const struct {
	const char *title, *colour, *fill;
} bar_styles[PHASES] = {
	[PHASE_setup] = { "setup", "#999999", "pattern 2" },
	[PHASE_live] = { "live", "#56B4E9", "solid 1" },
	[PHASE_pause] = { "pause", "#D55E00", "solid 1" },
	[PHASE_copy] = { "copy", "#009E73", "pattern 5" },
	[PHASE_finish] = { "finish", "#999999", "solid 0.4" },
	[PHASE_before_freeze] = { "before freeze", "#E69F00", "solid 1" },
	[PHASE_freeze] = { "freeze", "#0072B2", "solid 1" },
	[PHASE_after_freeze] = { "after freeze", "#D55E00", "pattern 5" },
};

/* A piece of a bar, in ms from its beginning. */
struct piece {
	enum phase phase;
	double from, to;
	bool approximate;
};

struct bar {
	struct piece pieces[PHASES];
	size_t n;
};

static void add(struct bar *b, enum phase phase, double from, double length, bool approximate)
{
	b->pieces[b->n++] = (struct piece){ phase, from, from + length, approximate };
}

/* Adds phases of known length; one without a known beginning begins at the end of the previous one. */
static void add_phases(struct bar *b, const struct checkpoint *c, bool parts)
{
	double zero = parts ? c->phases[PHASE_pause].began_ms : 0, end = 0;

	for (int i = 0; i < PHASES; i++) {
		const struct phase_times *t = &c->phases[i];
		double from = t->began_ms - zero;

		if (phase_is_part((enum phase)i) != parts || !t->seen || !isfinite(t->duration_ms))
			continue;
		if (!isfinite(from))
			from = end;
		add(b, (enum phase)i, from, t->duration_ms, t->approximate);
		end = from + t->duration_ms;
	}
}

/* Adds the parts of the pause; the whole if they are unknown; QEMU's own figure if there is nothing else. */
static void add_pause(struct bar *b, const struct checkpoint *c)
{
	const struct phase_times *pause = &c->phases[PHASE_pause];

	add_phases(b, c, true);
	if (b->n > 0)
		return;
	if (pause->seen && isfinite(pause->duration_ms))
		add(b, PHASE_pause, 0, pause->duration_ms, pause->approximate);
	else if (isfinite(c->downtime_ms))
		add(b, PHASE_pause, 0, c->downtime_ms, false);
}

static struct bar bar_of(const struct checkpoint *c, enum panel_kind kind)
{
	struct bar b = { .n = 0 };

	if (kind == PANEL_pause)
		add_pause(&b, c);
	else
		add_phases(&b, c, false);
	return b;
}

bool timeline_has(const struct checkpoint *c, enum panel_kind kind)
{
	struct bar b = bar_of(c, kind);

	return b.n > 0 && b.pieces[b.n - 1].to > 0;
}

double timeline_end_ms(const struct checkpoint *c)
{
	struct bar b = bar_of(c, PANEL_phases);

	return b.n > 0 ? b.pieces[b.n - 1].to : 0;
}

/* Writes milliseconds for a person into `text`: "11.5 ms", "2.31 s". Returns text. */
static char *time_text(double ms, char text[32])
{
	if (ms < 1000)
		snprintf(text, 32, "%.*f ms", ms < 100 ? 1 : 0, ms);
	else
		snprintf(text, 32, "%.2f s", ms / 1000);
	return text;
}

/* "x2.ckpt, 11.5 ms: before freeze 1.1 ms, freeze 2.3 ms, after freeze 8.1 ms" */
static void put_caption(FILE *f, const char *label, const struct bar *b)
{
	char text[512], time[32];
	size_t used =
		(size_t)snprintf(text, sizeof(text), "%.200s, %s: ", label, time_text(b->pieces[b->n - 1].to, time));

	for (size_t i = 0; i < b->n; i++) {
		const struct piece *at = &b->pieces[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s%s", i ? ", " : "",
					 bar_styles[at->phase].title, at->approximate ? "about " : "",
					 time_text(at->to - at->from, time));
	}
	gnuplot_put_text(f, text);
}

/* Writes all pieces of that phase, of all bars: x, y, and the corners of the rectangle. */
static bool put_rectangles(FILE *f, const struct bar *bars, size_t n, enum phase phase, double scale)
{
	bool any = false;

	for (size_t row = 0; row < n; row++) {
		for (size_t i = 0; i < bars[row].n; i++) {
			const struct piece *at = &bars[row].pieces[i];
			double y = (double)(n - row) - 0.7;

			if (at->phase != phase)
				continue;
			if (!any)
				fprintf(f, "$%s << END\n", phase_name(phase));
			any = true;
			fprintf(f, "%.6f %.2f %.6f %.6f %.2f %.2f\n", at->from * scale, y, at->from * scale,
				at->to * scale, y - 0.2, y + 0.2);
		}
	}
	if (any)
		fputs("END\n", f);
	return any;
}

/* Collects the bars of the curves that have one, in order. */
static size_t bars_of(const struct plot *p, enum panel_kind kind, struct bar *bars, const char **labels)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_curves; i++) {
		if (!timeline_has(p->curves[i].checkpoint, kind))
			continue;
		bars[n] = bar_of(p->curves[i].checkpoint, kind);
		labels[n++] = p->curves[i].label;
	}
	return n;
}

/* In a terminal, the legend takes the place of the axis title. */
static void put_frame(FILE *f, const struct plot *p, enum panel_kind kind, size_t n)
{
	bool text = p->type == PLOT_TEXT;

	if (kind == PANEL_pause) {
		plot_put_titles(f, p, "The pause, ms", text ? "" : "time since the guest was stopped, ms");
		fputs("set xrange [0:*]\n", f);
	} else {
		plot_put_titles(f, p, "Phases, s", text ? "" : "time, s");
		fprintf(f, "set xrange [0:%.6f]\n", plot_time_end(p));
	}
	fprintf(f, "set yrange [0:%zu]\nunset ytics\nset xtics auto\nset grid xtics noytics\n", n);
	fprintf(f, "set key %s horizontal samplen 2\n", text ? "bmargin center" : "at graph 1, graph 1 right bottom");
}

void timeline_draw(FILE *f, const struct plot *p, enum panel_kind kind)
{
	double scale = kind == PANEL_pause ? 1 : 0.001;
	const char *labels[PLOT_MAX_CURVES], *sign = "plot";
	struct bar bars[PLOT_MAX_CURVES];
	size_t n = bars_of(p, kind, bars, labels);
	bool shown[PHASES];

	put_frame(f, p, kind, n);
	for (size_t row = 0; row < n; row++) {
		fprintf(f, "set label %zu ", row + 2);
		put_caption(f, labels[row], &bars[row]);
		fprintf(f, " at graph 0, first %.2f offset 0.5, 0 left front noenhanced\n", (double)(n - row) - 0.28);
	}
	for (int i = 0; i < PHASES; i++)
		shown[i] = put_rectangles(f, bars, n, (enum phase)i, scale);
	for (int i = 0; i < PHASES; i++) {
		if (!shown[i])
			continue;
		fprintf(f, "%s $%s with boxxyerror lc rgb '%s' fs %s border lc rgb 'black' title '%s'", sign,
			phase_name((enum phase)i), bar_styles[i].colour, bar_styles[i].fill, bar_styles[i].title);
		sign = ",";
	}
	fputs("\n", f);
	for (size_t row = 0; row < n; row++)
		fprintf(f, "unset label %zu\n", row + 2);
	fputs("unset key\n", f);
}
