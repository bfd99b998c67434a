/* SPDX-License-Identifier: MIT */
/* mplcr-trace summary: a log's data on each checkpoint, as a table of 80 columns. */
#include "summary/summary.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/cli.h"
#include "base/escape.h"
#include "base/json.h"
#include "model/measures.h"
#include "tool.h"

#define WIDTH 80

/* The number of rows shown at the beginning and at the end of a long list. */
#define ROWS_SHOWN 20

static const struct cli_option option_table[] = {
	FORMAT_OPTION(struct log_options),
	{ "json", 'j', NULL, "print one JSON object, with all lists in full", TO_FLAG(struct log_options, json) },
	{ "csv", 0, NULL, "print one row per checkpoint", TO_FLAG(struct log_options, csv) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* --- pieces of the table ---------------------------------------------------------------------------------------- */

/* Prints a text in WIDTH columns, wrapped and indented by `indent`, with control bytes escaped. */
static void print_wrapped(const char *head, const char *text, int indent)
{
	char clean[2048], *at = clean;
	int column = printf("%s", head);

	escape_into(text, clean, sizeof(clean));
	while (*at) {
		size_t room = (size_t)(WIDTH - column), n = strlen(at), cut = n;

		if (n > room)
			for (cut = room; cut > 0 && at[cut] != ' ';)
				cut--;
		if (cut == 0)
			cut = n < room ? n : room;
		cut = escape_fit(at, cut);
		printf("%.*s\n", (int)cut, at);
		at += cut + (at[cut] == ' ');
		column = *at ? printf("%*s", indent, "") : 0;
	}
}

static void print_figure(const char *label, const char *text, double raw, enum unit unit)
{
	printf("  %-30s %16s", label, text);
	if (unit == UNIT_BYTES)
		printf("  %15.0f bytes", raw);
	putchar('\n');
}

static const char *ms_text(double ms, char buf[32])
{
	if (isnan(ms))
		snprintf(buf, 32, "-");
	else
		snprintf(buf, 32, "%.1f", ms);
	return buf;
}

static void print_phases(const struct checkpoint *c)
{
	char began[32], took[32];

	printf("\n  %-20s %15s %15s\n", "phase", "began, ms", "took, ms");
	for (enum phase p = 0; p < PHASES; p++) {
		const struct phase_times *t = &c->phases[p];

		if (t->seen)
			printf("  %s%-*s %15s %15s%s\n", phase_is_part(p) ? "  " : "", phase_is_part(p) ? 18 : 20,
			       phase_name(p), ms_text(t->began_ms, began), ms_text(t->duration_ms, took),
			       t->approximate ? " or more" : "");
	}
	if (!c->n_steps)
		return;
	printf("\n  %-20s %15s\n", "step of the tool", "ended, ms");
	for (size_t i = 0; i < c->n_steps; i++) {
		char name[21];

		printf("  %-20s %15s\n", escape_into(c->steps[i].name, name, sizeof(name)),
		       ms_text(c->steps[i].ended_ms, took));
	}
}

/* The next row of a list of `n`: i, or, at the middle of a long list, the first row of its end. */
static size_t skip_middle(size_t n, size_t i)
{
	if (n <= 2 * ROWS_SHOWN || i != ROWS_SHOWN)
		return i;
	printf("  ... %zu more: --json has them all\n", n - 2 * ROWS_SHOWN);
	return n - ROWS_SHOWN;
}

static void print_iteration(const struct checkpoint *c, size_t i)
{
	const struct iteration *it = &c->iterations[i];
	char began[32], took[32], before[32], after[32];

	printf("  %-9zu %13s %12s %17s %17s\n", i + 1, ms_text(it->time_ms, began), ms_text(it->duration_ms, took),
	       measure_text(it->pending_before == UNTOLD ? NAN : (double)it->pending_before, UNIT_BYTES, before),
	       measure_text(it->pending_after == UNTOLD ? NAN : (double)it->pending_after, UNIT_BYTES, after));
}

static void print_iterations(const struct checkpoint *c)
{
	size_t n = c->n_iterations;

	if (!n)
		return;
	printf("\n  %-9s %13s %12s %17s %17s\n", "iteration", "began, ms", "took, ms", "pending before",
	       "pending after");
	for (size_t i = 0; i < n; i++) {
		i = skip_middle(n, i);
		print_iteration(c, i);
	}
}

static void print_pages(int64_t pages)
{
	if (pages == UNTOLD)
		printf(" %14s", "-");
	else
		printf(" %14" PRId64, pages);
}

static void print_syncs(const struct checkpoint *c)
{
	size_t n = c->n_syncs;

	if (!n)
		return;
	printf("\n  %-9s %13s %14s %14s %14s\n", "sync", "at, ms", "dirty pages", "of the period", "non-dirty");
	for (size_t i = 0; i < n; i++) {
		const struct bitmap_sync *s;
		char at[32];

		i = skip_middle(n, i);
		s = &c->syncs[i];
		printf("  %-9zu %13s", i + 1, ms_text(s->time_ms, at));
		print_pages(s->dirty_pages);
		print_pages(s->period_dirty_pages);
		print_pages(s->nondirty_pages);
		putchar('\n');
	}
}

static void print_figures(const struct checkpoint *c)
{
	const struct measure *list;
	char text[32];
	size_t n;

	putchar('\n');
	list = measures(&n);
	for (size_t i = 0; i < n; i++) {
		double value = measure_value(c, &list[i]);

		if (!isnan(value))
			print_figure(list[i].label, measure_text(value, list[i].unit, text), value, list[i].unit);
	}
	if (c->mplm.bound_kept != UNTOLD)
		print_figure("MPLM: bound of the live stage", c->mplm.bound_kept ? "kept" : "NOT KEPT", 0, UNIT_COUNT);
}

static void print_devices(const struct checkpoint *c)
{
	int64_t bytes = device_bytes(c);
	const struct device *longest = NULL;
	char text[32];

	if (c->count[EVENT_vmstate])
		printf("  %-30s %16" PRIu64 "\n", "devices saved", c->count[EVENT_vmstate]);
	if (bytes != UNTOLD)
		print_figure("their size", measure_text((double)bytes, UNIT_BYTES, text), (double)bytes, UNIT_BYTES);
	for (size_t i = 0; i < c->n_devices; i++)
		if (c->devices[i].spent_ms > (longest ? longest->spent_ms : 0))
			longest = &c->devices[i];
	if (longest && longest->name) {
		snprintf(text, sizeof(text), "%.3f ms: ", longest->spent_ms);
		printf("  %-30s %16s", "the slowest", text);
		print_wrapped("", longest->name, 4);
	}
	for (size_t i = 0; i < c->n_freezes; i++) {
		const struct freeze *f = &c->freezes[i];

		print_wrapped("  disk frozen: ", f->device ? f->device : "-", 4);
		if (f->file)
			print_wrapped("    overlay ", f->file, 12);
		if (f->backing)
			print_wrapped("    frozen  ", f->backing, 12);
	}
}

static void print_checkpoint(const struct checkpoint *c)
{
	const char *end = c->count[EVENT_done] ? "ended" : "end unknown";
	char status[32];

	printf("\ncheckpoint %" PRIu64 ": %s, lines %" PRIu64 " to %" PRIu64 ", iterations: %" PRIu64
	       ", bitmap syncs: %" PRIu64 "\n",
	       c->number, escape_into(c->status ? c->status : end, status, sizeof(status)), c->first_line, c->last_line,
	       c->count[EVENT_iteration], c->count[EVENT_sync]);
	if (c->uri)
		print_wrapped("  to ", c->uri, 5);
	print_phases(c);
	print_iterations(c);
	print_syncs(c);
	print_figures(c);
	print_devices(c);
	for (size_t i = 0; i < c->n_notes; i++)
		print_wrapped(i ? "  note: " : "\n  note: ", c->notes[i], 8);
}

static void print_table(const struct model *m)
{
	const struct source_stats *s = &m->stats;

	print_wrapped("", m->path, 2);
	printf("format %s, lines: %" PRIu64 " (unknown: %" PRIu64 "), checkpoints: %" PRIu64 "\n",
	       format_name(s->format), s->lines, s->unknown, s->checkpoints);
	for (size_t i = 0; i < m->n_checkpoints; i++)
		print_checkpoint(&m->checkpoints[i]);
}

/* --- the verb --------------------------------------------------------------------------------------------------- */

static int print_json(const struct model *m, struct err *e)
{
	_cleanup_json_ json_t *object = summary_to_json(m);

	return json_print(object, e);
}

static int summary(const char *path, const struct log_options *o, struct err *e)
{
	struct model m;
	int result = 0;

	if (model_read(&m, path, o->format, e) < 0)
		return -1;
	if (o->json)
		result = print_json(&m, e);
	else if (o->csv)
		summary_print_csv(&m);
	else
		print_table(&m);
	if (result == 0)
		result = cli_flush(e);
	if (result == 0) {
		source_note_unknown(path, &m.stats);
		if (m.stats.checkpoints > m.n_checkpoints)
			cli_note("only the first %zu of %" PRIu64 " checkpoints", m.n_checkpoints, m.stats.checkpoints);
	}
	model_release(&m);
	return result;
}

static int summary_main(int argc, char **argv)
{
	struct log_options o = { 0 };
	const char *path;
	struct err e = { 0 };

	if (log_options_parse(&verb_summary, argc, argv, &o, &path, &e) < 0 || summary(path, &o, &e) < 0)
		return cli_report(&e);
	return EXIT_DONE;
}

const struct cli verb_summary = {
	.tool = "mplcr-trace",
	.verb = "summary",
	.summary = "phases, iterations, figures of each checkpoint of a log",
	.usage = "[OPTION]... [FILE]",
	.about = "Prints a migration log's data on each checkpoint: phases, iterations, pages, bytes,\n"
		 "bandwidth, devices. FILE is a log, a checkpoint directory (its trace) or - for standard\n"
		 "input, the default.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 1,
	.run = summary_main,
};
