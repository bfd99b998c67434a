/* SPDX-License-Identifier: MIT */
/* What goes over a QMP connection, as events. */
#ifndef MPLCR_TRACE_QMP_H
#define MPLCR_TRACE_QMP_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"

struct qmp_events;

/* Turns what goes over a QMP connection to a VM into events. `sink` and its context get them. Never fails. */
struct qmp_events *qmp_events_new(event_sink *sink, void *ctx);

/*
 * One object that was sent ('>') or received ('<'), as a watcher of qmp.h sees it; `time_ms` is the time since the trace
 * began, `line` the number of the source's line. The checkpoint number is counted here. Answers are understood by
 * their shape (query-migrate's). Returns 0, or -1 where the sink failed.
 */
int qmp_events_feed(struct qmp_events *q, double time_ms, uint64_t line, char direction, const json_t *object,
		    struct err *e) __attribute__((warn_unused_result));

void qmp_events_free(struct qmp_events *q);

#endif
