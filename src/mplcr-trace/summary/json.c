/* SPDX-License-Identifier: MIT */
/* summary --json. Data that the log does not give has no member. */
#include "summary/summary.h"

#include <math.h>

#include "base/json.h"
#include "model/measures.h"

static void put(json_t *object, const char *key, json_t *value)
{
	if (value)
		json_object_set_new(object, key, value);
}

static void put_real(json_t *object, const char *key, double value)
{
	put(object, key, isfinite(value) ? json_real(value) : NULL);
}

static void put_whole(json_t *object, const char *key, int64_t value)
{
	put(object, key, value == UNTOLD ? NULL : json_integer(value));
}

static void put_text(json_t *object, const char *key, const char *text)
{
	put(object, key, text ? json_string_of(text) : NULL);
}

static void put_flag(json_t *object, const char *key, int flag)
{
	put(object, key, flag == UNTOLD ? NULL : json_boolean(flag));
}

/* --- phases ----------------------------------------------------------------------------------------------------- */

static json_t *phase_of(const struct checkpoint *c, enum phase phase)
{
	const struct phase_times *t = &c->phases[phase];
	json_t *object = json_of("{s:s}", "name", phase_name(phase));

	put_real(object, "began_ms", t->began_ms);
	put_real(object, "duration_ms", t->duration_ms);
	if (t->approximate)
		put(object, "approximate", json_true());
	return object;
}

/* The parts of the pause are in it. */
static json_t *phases_of(const struct checkpoint *c)
{
	json_t *list = json_array(), *parts = json_array();

	for (enum phase p = 0; p < PHASES; p++)
		if (c->phases[p].seen && phase_is_part(p))
			json_array_append_new(parts, phase_of(c, p));
	for (enum phase p = 0; p < PHASES; p++) {
		json_t *object;

		if (!c->phases[p].seen || phase_is_part(p))
			continue;
		object = phase_of(c, p);
		if (p == PHASE_pause && json_array_size(parts))
			put(object, "parts", json_incref(parts));
		json_array_append_new(list, object);
	}
	json_decref(parts);
	return list;
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

static json_t *iterations_of(const struct checkpoint *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_iterations; i++) {
		const struct iteration *it = &c->iterations[i];
		json_t *object = json_of("{s:I, s:I}", "iteration", (json_int_t)i + 1, "line", (json_int_t)it->line);

		put_real(object, "began_ms", it->time_ms);
		put_real(object, "duration_ms", it->duration_ms);
		put_whole(object, "pending_before_bytes", it->pending_before);
		put_whole(object, "pending_after_bytes", it->pending_after);
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *syncs_of(const struct checkpoint *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_syncs; i++) {
		const struct bitmap_sync *s = &c->syncs[i];
		json_t *object = json_of("{s:I}", "line", (json_int_t)s->line);

		put_real(object, "time_ms", s->time_ms);
		put_whole(object, "total_pages", s->total_pages);
		put_whole(object, "dirty_pages", s->dirty_pages);
		put_whole(object, "period_dirty_pages", s->period_dirty_pages);
		put_whole(object, "nondirty_pages", s->nondirty_pages);
		put_whole(object, "counted_nondirty_pages", s->counted_nondirty_pages);
		put_text(object, "caller", s->caller);
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *samples_of(const struct checkpoint *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_samples; i++) {
		const struct sample *s = &c->samples[i];
		json_t *object = json_of("{s:I}", "iteration", (json_int_t)s->iteration);

		put_real(object, "time_ms", s->time_ms);
		put_whole(object, "pending_bytes", s->pending_bytes);
		put_whole(object, "transferred_bytes", s->transferred_bytes);
		put_real(object, "bandwidth_bytes_per_second", s->bandwidth);
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *devices_of(const struct checkpoint *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_devices; i++) {
		const struct device *d = &c->devices[i];
		json_t *object = json_object();

		put_text(object, "name", d->name);
		put_text(object, "description", d->description);
		put_whole(object, "instance", d->instance);
		put_whole(object, "version", d->version);
		put_whole(object, "state_bytes", d->bytes);
		put_real(object, "spent_ms", d->spent_ms);
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *disks_of(const struct checkpoint *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_freezes; i++) {
		const struct freeze *f = &c->freezes[i];
		json_t *object = json_object();

		put_text(object, "device", f->device);
		put_text(object, "file", f->file);
		put_text(object, "format", f->format);
		put_text(object, "backing", f->backing);
		put_whole(object, "disk_bytes", f->disk_bytes);
		put_real(object, "frozen_ms", f->time_ms);
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *steps_of(const struct checkpoint *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_steps; i++)
		json_array_append_new(list, json_of("{s:o, s:f}", "name", json_string_of(c->steps[i].name), "ended_ms",
						    c->steps[i].ended_ms)); /* times of events are finite */
	return list;
}

static json_t *counts_of(const struct checkpoint *c)
{
	json_t *object = json_object();

	for (enum event_kind k = 0; k < EVENT_unknown; k++)
		if (c->count[k])
			put(object, event_name(k), json_integer((json_int_t)c->count[k]));
	return object;
}

static json_t *notes_of(const struct checkpoint *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_notes; i++)
		json_array_append_new(list, json_string_of(c->notes[i]));
	return list;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static void put_figures(json_t *object, const struct checkpoint *c)
{
	const struct measure *list;
	size_t n;

	list = measures(&n);
	for (size_t i = 0; i < n; i++)
		put(object, list[i].name, measure_json(c, &list[i]));
	put_flag(object, "first_nondirty", c->mplm.first_nondirty);
	put_flag(object, "relax", c->mplm.relax);
	put_flag(object, "bound_kept", c->mplm.bound_kept);
	if (c->n_devices || c->count[EVENT_vmstate])
		put_whole(object, "device_count", (int64_t)c->count[EVENT_vmstate]);
	put_whole(object, "device_bytes", device_bytes(c));
}

static json_t *checkpoint_of(const struct checkpoint *c)
{
	json_t *object = json_of("{s:I}", "checkpoint", (json_int_t)c->number);

	put_text(object, "status", c->status);
	put_text(object, "uri", c->uri);
	put_whole(object, "first_line", (int64_t)c->first_line);
	put_whole(object, "last_line", (int64_t)c->last_line);
	put_real(object, "unix_time_ms", c->unix_time_ms);
	put_figures(object, c);
	put(object, "events", counts_of(c));
	put(object, "phases", phases_of(c));
	put(object, "iterations", iterations_of(c));
	put(object, "syncs", syncs_of(c));
	put(object, "samples", samples_of(c));
	put(object, "devices", devices_of(c));
	put(object, "disks", disks_of(c));
	put(object, "steps", steps_of(c));
	put(object, "notes", notes_of(c));
	return object;
}

json_t *summary_to_json(const struct model *m)
{
	const struct source_stats *s = &m->stats;
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_checkpoints; i++)
		json_array_append_new(list, checkpoint_of(&m->checkpoints[i]));
	return json_of("{s:s, s:o, s:s, s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:o}", "schema", "mplcr.trace.summary/1",
		       "source", json_string_of(m->path), "format", format_name(s->format), "lines", "total",
		       (json_int_t)s->lines, "events", (json_int_t)s->events, "context", (json_int_t)s->context,
		       "blank", (json_int_t)s->blank, "unknown", (json_int_t)s->unknown, "checkpoint_count",
		       (json_int_t)s->checkpoints, "checkpoints", list);
}
