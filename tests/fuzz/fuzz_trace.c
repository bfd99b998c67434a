/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: mplcr-trace's readers and model. Any bytes may be a log, and what is made of them must hold:
 *
 *  - every line is accounted for: events, context, blank or unknown;
 *  - every event is a line of JSON, and reading it back gives the same event;
 *  - a model can be made of it, printed, and released.
 *
 * The first byte of the input chooses the format.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "mplcr-trace/event/writer.h"
#include "mplcr-trace/summary/summary.h"

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* A log of the bytes, and its path. */
static int log_of(const void *data, size_t size, char path[32])
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	check(fd >= 0 && fd_write_all(fd, data, size) == 0);
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

/* Writes events without the number of their line, which changes on the way. */
static int write_event(void *ctx, const struct event *ev, struct err *e)
{
	struct event copy = *ev;

	copy.line = 0;
	check(ev->kind < EVENT_KINDS && ev->line > 0 && ev->checkpoint > 0);
	return event_write(ctx, &copy, e);
}

/* What parse --unknown would print of the log; the caller's. */
static char *events_of(const char *path, enum format format, size_t *size, struct source_stats *stats)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);
	struct event_writer *w = event_writer_new(out);
	struct err e = { 0 };
	int result = source_read(path, format, write_event, w, stats, &e);

	check(result == 0 || strstr(e.text, "no line of a known format"));
	check(stats->lines == stats->events + stats->context + stats->blank + stats->unknown);
	check(event_writer_flush(w, &e) == 0);
	event_writer_free(w);
	fclose(out);
	return text;
}

static void model(const char *path, enum format format)
{
	struct err e;
	struct model m;
	json_t *json;

	if (model_read(&m, path, format, &e) < 0)
		return;
	json = summary_to_json(&m);
	check(json_dumpb(json, NULL, 0, JSON_COMPACT) > 0);
	for (size_t i = 0; i < m.n_checkpoints; i++)
		for (enum phase p = 0; p < PHASES; p++)
			check(!(m.checkpoints[i].phases[p].duration_ms < 0));
	json_decref(json);
	model_release(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum format format = size ? data[0] % (FORMAT_MPLCR + 1) : FORMAT_AUTO;
	struct source_stats stats, again_stats;
	char path[32], again_path[32];
	size_t length, again_length;
	char *events, *again;
	int fd, again_fd;

	if (!size)
		return 0;
	fd = log_of(data + 1, size - 1, path);
	events = events_of(path, format, &length, &stats);
	model(path, format);
	again_fd = log_of(events, length, again_path);
	again = events_of(again_path, FORMAT_MPLCR, &again_length, &again_stats);
	check(length == again_length && memcmp(events, again, length) == 0);
	free(events);
	free(again);
	close(fd);
	close(again_fd);
	return 0;
}
