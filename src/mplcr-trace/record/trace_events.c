/* SPDX-License-Identifier: MIT */
#include "record/trace_events.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/json.h"

/* QEMU 10 has some 100 that match. */
#define SWITCHED_MAX 1000

/* Time for QEMU to answer when the events are switched off again. */
#define PUT_BACK_MS 10000

/* As QEMU's trace-event-get-state takes them (qapi/trace.json). A pattern may match nothing, a name must exist. */
static const char *const patterns[] = { "migrat*", "savevm_*", "vmstate_save", "vmstate_downtime_*", "cpu_throttle_*" };

/* These come for nearly every page: 280,000 lines in a migration of 512 MiB. */
static const char *const too_many[] = { "migration_transferred_bytes", "migration_bitmap_clear_dirty",
					"migration_pagecache_insert", "migration_rate_limit_pre",
					"migration_rate_limit_post" };

static bool is_wanted(const struct switched *s, const json_t *event)
{
	const char *name = json_text(event, "name"), *state = json_text(event, "state");

	if (!name || !state || strcmp(state, "disabled") != 0)
		return false;
	for (size_t i = 0; i < sizeof(too_many) / sizeof(too_many[0]); i++)
		if (strcmp(name, too_many[i]) == 0)
			return false;
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(name, s->names[i]) == 0)
			return false;
	return true;
}

static int set_state(struct qmp *q, const char *name, bool on, struct err *e)
{
	return qmp_run(q, "trace-event-set-state", json_of("{s:s, s:b}", "name", name, "enable", (int)on), NULL, e);
}

static int switch_matching(struct switched *s, struct qmp *q, const char *pattern, size_t *known, struct err *e)
{
	_cleanup_json_ json_t *list = NULL;
	const json_t *event;
	size_t i;

	if (qmp_run(q, "trace-event-get-state", json_of("{s:s}", "name", pattern), &list, e) < 0)
		return -1;
	json_array_foreach(list, i, event) {
		const char *state = json_text(event, "state");

		*known += state && strcmp(state, "unavailable") != 0;
		if (!is_wanted(s, event) || s->n == SWITCHED_MAX)
			continue;
		s->names[s->n++] = text_copy(json_text(event, "name"));
		if (set_state(q, s->names[s->n - 1], true, e) < 0)
			return -1;
	}
	return 0;
}

#define WITHOUT_HINT "leave out --events: pending memory and bandwidth come from query-migrate"

int switched_on(struct switched *s, struct qmp *q, struct err *e)
{
	size_t known = 0;

	s->names = memory_of(SWITCHED_MAX, sizeof(*s->names));
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		if (switch_matching(s, q, patterns[i], &known, e) == 0)
			continue;
		if (!qmp_alive(q))
			return -1;
		err_prefix(e, "cannot switch QEMU's trace events");
		return err_hint(e, WITHOUT_HINT);
	}
	if (known > 0)
		return 0;
	err_set(e, "this QEMU was built without trace events (trace backend nop)");
	return err_hint(e, WITHOUT_HINT);
}

/* Connects to QEMU for that: over this connection or a new one to the same process. */
static int reach(struct qmp *q, bool *gone, struct err *e)
{
	*gone = false;
	qmp_set_interrupt(q, -1);
	qmp_set_deadline(q, clock_in_ms(PUT_BACK_MS));
	if (qmp_alive(q) || qmp_take_over(q, e) == 0)
		return 0;
	*gone = e->sys == ENOENT || e->sys == ECONNREFUSED;
	return -1;
}

int switched_off(struct switched *s, struct qmp *q, struct err *e)
{
	size_t failed = 0;
	struct err why;
	bool gone;

	if (s->n == 0)
		return 0;
	if (reach(q, &gone, &why) < 0) {
		if (gone)
			return 0; /* and its events with it */
		failed = s->n;
	}
	for (size_t i = 0; i < s->n && qmp_alive(q); i++)
		if (set_state(q, s->names[i], false, &why) < 0)
			failed++;
	if (failed == 0)
		return 0;
	err_set(e, "cannot switch QEMU's trace events off again: %s", why.text);
	e->status = EXIT_PARTIAL;
	return err_hint(
		e, "QMP trace-event-set-state with \"enable\": false switches them off, for \"migrat*\", \"savevm_*\", "
		   "\"vmstate_*\" and \"cpu_throttle_*\"");
}

void switched_release(struct switched *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->names[i]);
	free(s->names);
	*s = (struct switched){ 0 };
}
