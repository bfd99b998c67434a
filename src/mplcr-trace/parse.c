/* SPDX-License-Identifier: MIT */
/* mplcr-trace parse: a log as events, one JSON object per line. */
#include "tool.h"

#include <string.h>

#include "base/cli.h"
#include "event/writer.h"

static const struct cli_option option_table[] = {
	FORMAT_OPTION(struct log_options),
	{ "unknown", 'u', NULL, "also show unknown lines", TO_FLAG(struct log_options, unknown) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

struct printer {
	struct event_writer *writer;
	bool unknown;
};

static int print_event(void *ctx, const struct event *ev, struct err *e)
{
	struct printer *p = ctx;

	return ev->kind == EVENT_unknown && !p->unknown ? 0 : event_write(p->writer, ev, e);
}

static int parse(const char *path, const struct log_options *o, struct err *e)
{
	struct printer p = { event_writer_new(stdout), o->unknown };
	struct source_stats stats;
	struct err late;
	int result = source_read(path, o->format, print_event, &p, &stats, e);

	/* After a failure, write the events read so far, too. */
	if (event_writer_flush(p.writer, result == 0 ? e : &late) < 0)
		result = -1;
	event_writer_free(p.writer);
	if (result == 0 && !o->unknown)
		source_note_unknown(path, &stats);
	return result;
}

static int parse_main(int argc, char **argv)
{
	struct log_options o = { 0 };
	const char *path;
	struct err e = { 0 };

	if (log_options_parse(&verb_parse, argc, argv, &o, &path, &e) < 0 || parse(path, &o, &e) < 0)
		return cli_report(&e);
	return EXIT_DONE;
}

const struct cli verb_parse = {
	.tool = "mplcr-trace",
	.verb = "parse",
	.summary = "a log as events, one JSON object per line",
	.usage = "[OPTION]... [FILE]",
	.about = "Prints a migration log as events, one JSON object per line. FILE is a log, a checkpoint\n"
		 "directory (its trace) or - for standard input, the default.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 1,
	.run = parse_main,
};
