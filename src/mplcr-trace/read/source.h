/* SPDX-License-Identifier: MIT */
/* A log as events: opened, its format recognised, read line by line. */
#ifndef MPLCR_TRACE_SOURCE_H
#define MPLCR_TRACE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/options.h"
#include "event/event.h"

enum format { FORMAT_AUTO, FORMAT_MPLM, FORMAT_STAP, FORMAT_QEMU, FORMAT_MPLCR };

/* "auto", "mplm", "stap", "qemu", "mplcr"; and the same for option tables. */
const char *format_name(enum format format);
struct cli_word format_word(size_t i);

/* What became of the lines of a source: lines = events' lines + context + blank + unknown. */
struct source_stats {
	enum format format;   /* the one recognised, or given */
	uint64_t lines;
	uint64_t events;      /* lines that gave events */
	uint64_t context;     /* lines that are known but have no event of their own: stack frames, ends of sections */
	uint64_t blank;
	uint64_t unknown;     /* lines that are not known, too long ones among them */
	uint64_t checkpoints;
};

/*
 * Reads the log at `path`, "-" for standard input, a checkpoint directory for its trace.jsonl, and gives each event to
 * `sink`, unknown lines among them (EVENT_unknown). FORMAT_AUTO recognises the format by the content. A line of any
 * length and any bytes does not stop it; memory does not grow with the log. Returns 0, or -1 (cannot be opened or read,
 * no format recognised, or what `sink` said); *stats is filled either way.
 */
int source_read(const char *path, enum format format, event_sink *sink, void *ctx, struct source_stats *stats,
		struct err *e) __attribute__((warn_unused_result));

/* Prints the note on stderr that lines were not known, if any were. */
void source_note_unknown(const char *path, const struct source_stats *stats);

#endif
