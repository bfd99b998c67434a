/* SPDX-License-Identifier: MIT */
/* summary --csv: RFC 4180, with line feeds. */
#include "summary/summary.h"
#include "model/measures.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/text.h"

/* Quotes the text if necessary. */
static void print_text(const char *text)
{
	if (!text[strcspn(text, ",\"\r\n")]) {
		escape_data(text);
		return;
	}
	putchar('"');
	for (const char *quote; (quote = strchr(text, '"')) != NULL; text = quote + 1) {
		_cleanup_free_ char *part = text_of("%.*s\"\"", (int)(quote - text), text);

		escape_data(part);
	}
	escape_data(text);
	putchar('"');
}

static void print_value(double value, bool real)
{
	putchar(',');
	if (!isnan(value))
		printf(real ? "%.3f" : "%.0f", value);
}

static void print_head(const struct measure *list, size_t n)
{
	fputs("checkpoint,status,first_line,last_line,iterations,syncs,devices,disks", stdout);
	for (enum phase p = 0; p < PHASES; p++)
		printf(",%s_ms", phase_name(p));
	for (size_t i = 0; i < n; i++)
		printf(",%s", list[i].name);
	fputs(",bound_kept\n", stdout);
}

static void print_row(const struct checkpoint *c, const struct measure *list, size_t n)
{
	printf("%" PRIu64 ",", c->number);
	print_text(c->status ? c->status : "");
	printf(",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, c->first_line, c->last_line,
	       c->count[EVENT_iteration], c->count[EVENT_sync], c->count[EVENT_vmstate], c->count[EVENT_freeze]);
	for (enum phase p = 0; p < PHASES; p++)
		print_value(c->phases[p].seen ? c->phases[p].duration_ms : NAN, true);
	for (size_t i = 0; i < n; i++)
		print_value(measure_value(c, &list[i]), list[i].real);
	print_value(c->mplm.bound_kept == UNTOLD ? NAN : c->mplm.bound_kept, false);
	putchar('\n');
}

void summary_print_csv(const struct model *m)
{
	size_t n;
	const struct measure *list = measures(&n);

	print_head(list, n);
	for (size_t i = 0; i < m->n_checkpoints; i++)
		print_row(&m->checkpoints[i], list, n);
}
