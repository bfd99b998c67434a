/* SPDX-License-Identifier: MIT */
/* QMP traffic as events. */
#ifndef MPLCR_TRACE_QMP_H
#define MPLCR_TRACE_QMP_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"

struct qmp_events;

/* Turns the QMP traffic with a VM into events for `sink` and its context. Never fails. */
struct qmp_events *qmp_events_new(event_sink *sink, void *ctx);

/*
 * Feeds one object, sent ('>') or received ('<'), as a watcher of qmp.h sees it; `time_ms` is the time since the trace
 * began, `line` the source's line number. Counts the checkpoints. Recognises answers by their shape (query-migrate's).
 * Returns 0, or -1 if the sink failed.
 */
int qmp_events_feed(struct qmp_events *q, double time_ms, uint64_t line, char direction, const json_t *object,
		    struct err *e) __attribute__((warn_unused_result));

void qmp_events_free(struct qmp_events *q);

#endif
