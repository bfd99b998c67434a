/* SPDX-License-Identifier: MIT */
/*
 * mplcr-trace compare: the checkpoints of several logs side by side, one per column. The ratios are relative to the
 * first.
 */
#include "tool.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/json.h"
#include "model/measures.h"

#define MAX_COLUMNS 64

/* The first and two others fit into 80 columns. */
#define OTHERS_A_BLOCK 2
#define LABEL_WIDTH 27
#define COLUMN_WIDTH 12
#define RATIO_WIDTH 7

static const struct cli_option option_table[] = {
	FORMAT_OPTION(struct log_options),
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct log_options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

struct column {
	const struct model *model;
	const struct checkpoint *checkpoint;
};

struct comparison {
	struct column columns[MAX_COLUMNS];
	size_t n;
};

/* One line of the comparison: a phase or a figure. */
struct row {
	char name[64];
	const char *label;
	enum unit unit;
	double values[MAX_COLUMNS];
};

static bool told(const struct comparison *c, const struct row *row)
{
	for (size_t i = 0; i < c->n; i++)
		if (!isnan(row->values[i]))
			return true;
	return false;
}

/* Calls `print` for each row with a value in at least one column. */
static void each_row(const struct comparison *c,
		     void (*print)(void *ctx, const struct comparison *c, const struct row *row), void *ctx)
{
	struct row row;
	size_t n;
	const struct measure *list = measures(&n);

	for (enum phase p = 0; p < PHASES; p++) {
		snprintf(row.name, sizeof(row.name), "%s_ms", phase_name(p));
		row.label = phase_name(p);
		row.unit = UNIT_MS;
		for (size_t i = 0; i < c->n; i++)
			row.values[i] = c->columns[i].checkpoint->phases[p].duration_ms;
		if (told(c, &row))
			print(ctx, c, &row);
	}
	for (size_t m = 0; m < n; m++) {
		snprintf(row.name, sizeof(row.name), "%s", list[m].name);
		row.label = list[m].label;
		row.unit = list[m].unit;
		for (size_t i = 0; i < c->n; i++)
			row.values[i] = measure_value(c->columns[i].checkpoint, &list[m]);
		if (told(c, &row))
			print(ctx, c, &row);
	}
}

/* The ratio to the first column's value: NAN if one of them is unknown or the first is 0. */
static double ratio(const struct row *row, size_t column)
{
	return row->values[0] != 0 ? row->values[column] / row->values[0] : NAN;
}

/* --- the table -------------------------------------------------------------------------------------------------- */

/* The columns of a block: the first, and up to OTHERS_A_BLOCK others beginning at `from`. */
struct block {
	size_t from, to;
};

static void print_row(void *ctx, const struct comparison *c, const struct row *row)
{
	const struct block *b = ctx;
	bool any = !isnan(row->values[0]);
	char text[32];
	int gap = 0; /* the width of a missing ratio */

	(void)c;
	for (size_t i = b->from; i < b->to; i++)
		any = any || !isnan(row->values[i]);
	if (!any)
		return;
	printf("%-*.*s %*s", LABEL_WIDTH, LABEL_WIDTH, row->label, COLUMN_WIDTH,
	       measure_text(row->values[0], row->unit, text));
	for (size_t i = b->from; i < b->to; i++) {
		printf("%*s %*s", gap, "", COLUMN_WIDTH, measure_text(row->values[i], row->unit, text));
		gap = isnan(ratio(row, i)) ? RATIO_WIDTH : 0;
		if (!gap)
			printf(" %5.2fx", ratio(row, i));
	}
	putchar('\n');
}

static void print_block(const struct comparison *c, struct block b)
{
	printf("%-*s %*s", LABEL_WIDTH, "", COLUMN_WIDTH, "[1]");
	for (size_t i = b.from; i < b.to; i++) {
		char head[24];

		snprintf(head, sizeof(head), "[%zu]", i + 1);
		printf("%*s %*s", i > b.from ? RATIO_WIDTH : 0, "", COLUMN_WIDTH, head);
	}
	putchar('\n');
	each_row(c, print_row, &b);
}

static void print_table(const struct comparison *c)
{
	size_t from = 1;

	for (size_t i = 0; i < c->n; i++) {
		const struct column *column = &c->columns[i];
		char clean[512], status[32];

		printf("[%zu] %s, checkpoint %" PRIu64, i + 1, escape_into(column->model->path, clean, sizeof(clean)),
		       column->checkpoint->number);
		if (column->checkpoint->status)
			printf(", %s", escape_into(column->checkpoint->status, status, sizeof(status)));
		putchar('\n');
	}
	do {
		size_t to = from + OTHERS_A_BLOCK < c->n ? from + OTHERS_A_BLOCK : c->n;

		putchar('\n');
		print_block(c, (struct block){ from, to });
		from = to;
	} while (from < c->n);
}

/* --- JSON ------------------------------------------------------------------------------------------------------- */

static json_t *value_json(double value)
{
	if (isnan(value) || isinf(value))
		return json_null();
	return value == floor(value) && fabs(value) < 1e15 ? json_integer((json_int_t)value) : json_real(value);
}

static void add_row(void *ctx, const struct comparison *c, const struct row *row)
{
	json_t *values = json_array(), *ratios = json_array();

	for (size_t i = 0; i < c->n; i++) {
		json_array_append_new(values, value_json(row->values[i]));
		json_array_append_new(ratios, value_json(ratio(row, i)));
	}
	json_array_append_new(ctx, json_of("{s:s, s:o, s:o}", "name", row->name, "values", values, "ratios", ratios));
}

static int print_json(const struct comparison *c, struct err *e)
{
	json_t *columns = json_array(), *rows = json_array();
	_cleanup_json_ json_t *whole =
		json_of("{s:s, s:o, s:o}", "schema", "mplcr.trace.compare/1", "columns", columns, "rows", rows);

	for (size_t i = 0; i < c->n; i++) {
		const struct checkpoint *checkpoint = c->columns[i].checkpoint;

		json_array_append_new(columns, json_of("{s:o, s:I, s:s*}", "source",
						       json_string_of(c->columns[i].model->path), "checkpoint",
						       (json_int_t)checkpoint->number, "status", checkpoint->status));
	}
	each_row(c, add_row, rows);
	return json_print(whole, e);
}

/* --- the verb --------------------------------------------------------------------------------------------------- */

static int add_columns(struct comparison *c, const struct model *m, struct err *e)
{
	for (size_t i = 0; i < m->n_checkpoints; i++) {
		if (c->n == MAX_COLUMNS)
			return err_set(e, "more than %d checkpoints", MAX_COLUMNS);
		c->columns[c->n++] = (struct column){ m, &m->checkpoints[i] };
	}
	return 0;
}

static int compare(char **paths, size_t n, const struct log_options *o, struct err *e)
{
	struct model *models = memory_of(n, sizeof(*models));
	struct comparison c = { .n = 0 };
	int result = 0;

	for (size_t i = 0; i < n && result == 0; i++)
		result = model_read(&models[i], paths[i], o->format, e) < 0 || add_columns(&c, &models[i], e) < 0 ? -1
														  : 0;
	if (result == 0 && c.n < 2)
		result = err_set(e, "only %zu checkpoint: nothing to compare it with", c.n);
	if (result == 0 && o->json)
		result = print_json(&c, e);
	else if (result == 0)
		print_table(&c);
	if (result == 0)
		result = cli_flush(e);
	for (size_t i = 0; i < n; i++) {
		if (result == 0)
			source_note_unknown(paths[i], &models[i].stats);
		model_release(&models[i]);
	}
	free(models);
	return result;
}

static int compare_main(int argc, char **argv)
{
	struct log_options o = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_compare, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first == argc)
		result = err_usage(&e, "which logs?");
	if (result >= 0)
		result = compare(argv + first, (size_t)(argc - first), &o, &e);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_compare = {
	.tool = "mplcr-trace",
	.verb = "compare",
	.summary = "logs side by side, with ratios",
	.usage = "[OPTION]... FILE...",
	.about = "Prints the checkpoints of the logs side by side, phases first, with the ratio of each value to\n"
		 "that of the first. A FILE is a log or a checkpoint directory (its trace).",
	.options = option_table,
	.operands = CLI_FILES,
	.run = compare_main,
};
