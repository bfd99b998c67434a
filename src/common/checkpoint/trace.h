/* SPDX-License-Identifier: MIT */
/*
 * trace.jsonl, the record of a checkpoint: one JSON object per line, with "ms" since the trace began (monotonic clock)
 * and one of "send" (a QMP command), "receive" (answer or event), "note" (a step of ours).
 * Answers of more than 4 KiB are recorded as their size only; passwords and keys are masked (qemu/secrets.h).
 */
#ifndef MPLCR_TRACE_H
#define MPLCR_TRACE_H

#include <jansson.h>

#include "base/err.h"

struct trace;

/* A trace kept in memory until it is saved: it begins before there is a directory for it. Never fails. */
struct trace *trace_begin(void);

/* A watcher for qmp_set_watcher; its context is the trace. */
void trace_qmp(void *trace, char direction, const json_t *object);

/* Notes a step. */
void trace_note(struct trace *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Writes what was traced into the new file `name` below `dirfd`, durably. Returns 0 or -1. */
int trace_save(struct trace *t, int dirfd, const char *name, struct err *e) __attribute__((warn_unused_result));

void trace_free(struct trace *t);

#endif
