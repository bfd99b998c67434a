/* SPDX-License-Identifier: MIT */
/*
 * mplcr-trace, the map of the tool. It turns a log into events, events into a model, and the model into output for
 * people.
 *
 *   main.c      the verbs: parse.c, compare.c and those with a folder; options.c: the options that they share
 *
 *   event/      events: kinds and fields (event.h), lines of JSON (writer.h)
 *   read/       logs -> events
 *     source      opens a log, recognises its format, hands it line by line to a reader
 *     reader      shared by readers: the checkpoint of an event, events made of several lines
 *     rules       matches a line against a table of patterns and fills in an event
 *     mplm.c      reader: the report that MPLM prints
 *     stap.c      reader: SystemTap logs of QEMU's migration probes
 *     qemu.c      reader: QEMU's own trace log
 *     probes      the names and arguments that those two have in common; probe_actions.c: what they mean
 *     mplcr.c     reader: trace.jsonl of a checkpoint, and what `parse` and `record` write
 *     qmp         QMP commands, answers and events as events of ours
 *   model/      events -> struct model (model.h); what its files share: impl.h
 *     collect.c   adds each kind of event
 *     phases.c    the phases of a checkpoint, and the parts of its pause
 *     figures.c   derived figures once a checkpoint is over, and notes on odd or missing data
 *     measures    the figures of a checkpoint by name, for those who print them all
 *   summary/    a model as a table, as JSON, as CSV
 *   plot/       models as a picture (plot.h)
 *   record/     somebody else's migration, as events while it runs
 */
#ifndef MPLCR_TRACE_TOOL_H
#define MPLCR_TRACE_TOOL_H

#include <stdbool.h>

#include "base/cli.h"
#include "base/err.h"
#include "base/options.h"
#include "read/source.h"

/* --- options that verbs share (options.c) ----------------------------------------------------------------------- */

/* For option tables: --format, into the member `format`. */
#define FORMAT_OPTION(options)                                                                                         \
	{                                                                                                              \
		"format", 'f', "FORMAT", "format of the log: auto (default), mplm, stap, qemu or mplcr",               \
			TO_WORD_OF(options, format, format_word)                                                       \
	}

/* The options of parse, summary and compare; each uses some of them. */
struct log_options {
	enum format format;
	bool unknown, json, csv;
};

/*
 * Parses the command line of a verb that takes one log, with cli_parse; *path gets the log, "-" by default. Returns 0
 * or -1.
 */
int log_options_parse(const struct cli *cli, int argc, char **argv, struct log_options *o, const char **path,
		      struct err *e);

/* --- verbs ------------------------------------------------------------------------------------------------------ */

/* main.c's table. */
extern const struct cli verb_parse, verb_summary, verb_compare, verb_plot, verb_record;

#endif
