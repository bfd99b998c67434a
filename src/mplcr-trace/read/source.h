/* SPDX-License-Identifier: MIT */
/* Reads a log as events, line by line, after recognising its format. */
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

/* The lines of a source by use: lines = events' lines + context + blank + unknown. */
struct source_stats {
	enum format format; /* recognised or given */
	uint64_t lines;
	uint64_t events;      /* lines that gave events */
	uint64_t context;     /* known lines without an event of their own: stack frames, ends of sections */
	uint64_t blank;
	uint64_t unknown; /* unknown lines, too long ones included */
	uint64_t checkpoints;
};

/*
 * Reads the log at `path`, "-" for standard input, a checkpoint directory for its trace.jsonl, and passes each event to
 * `sink`, unknown lines included (EVENT_unknown). FORMAT_AUTO recognises the format by the content. Lines may have any
 * length and any bytes; memory does not grow with the log. Returns 0, or -1 (cannot open or read, no known format, or
 * an error of `sink`); fills *stats in either way.
 */
int source_read(const char *path, enum format format, event_sink *sink, void *ctx, struct source_stats *stats,
		struct err *e) __attribute__((warn_unused_result));

/* Prints a note on stderr about unknown lines, if any. */
void source_note_unknown(const char *path, const struct source_stats *stats);

#endif
