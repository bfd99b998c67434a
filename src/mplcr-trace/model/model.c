/* SPDX-License-Identifier: MIT */
/* Events -> struct model: finds the checkpoint of an event, and its time there. */
#include "model/impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

struct builder {
	struct model *model;
	struct checkpoint *now; /* NULL: none yet, or over the limit */
	uint64_t number;        /* of the events' checkpoint */
	struct progress progress;
	double unix_offset_ms; /* wall clock at the source's time 0, or NAN */
};

void *model_one_more(void **list, size_t *n, size_t size)
{
	if (*n >= MODEL_MAX_ITEMS)
		return NULL;
	*list = array_with_room(*list, *n, size);
	return (char *)*list + (*n)++ * size;
}

void model_note(struct checkpoint *c, const char *fmt, ...)
{
	char text[512], **note = model_one_more((void **)&c->notes, &c->n_notes, sizeof(*c->notes));
	va_list ap;

	if (!note)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*note = text_of("%s", text);
}

/* --- the beginning of a checkpoint ------------------------------------------------------------------------------ */

static void checkpoint_init(struct checkpoint *c, const struct event *ev)
{
	c->number = ev->checkpoint;
	c->first_line = ev->line;
	c->unix_time_ms = c->bandwidth_mean = c->bandwidth_min = c->bandwidth_max = NAN;
	c->downtime_ms = c->total_ms = c->setup_ms = NAN;
	c->total_pages = c->dirty_pages = c->period_dirty_pages = c->nondirty_pages = UNTOLD;
	c->sent_pages = c->zero_pages = UNTOLD;
	c->pending_first = c->pending_last = c->transferred_bytes = c->live_bytes = c->stop_bytes = UNTOLD;
	c->mplm.interval_seconds = c->mplm.dirty_percent = UNTOLD;
	c->mplm.first_nondirty = c->mplm.relax = c->mplm.bound_kept = UNTOLD;
	c->mplm.sent_nondirty_pages = c->mplm.sent_dirty_pages = UNTOLD;
	c->mplm.unsent_nondirty_pages = c->mplm.unsent_dirty_pages = c->mplm.bound_pages = UNTOLD;
	c->mplm.nondirty_percent = NAN;
}

static void progress_init(struct progress *p)
{
	*p = (struct progress){
		.stop_us = UNTOLD,
		.resume_us = UNTOLD,
		.base_ms = NAN,
		.exact_total = UNTOLD,
		.total_at_stop = UNTOLD,
		.sampled_ms = NAN,
	};
}

/* Fills in the parts that need the whole checkpoint. */
static void checkpoint_end(struct builder *b)
{
	struct progress *p = &b->progress;

	if (!b->now)
		return;
	phases_make(b->now, p);
	figures_make(b->now, p);
	for (size_t i = 0; i < p->n_remarks; i++)
		free(p->remarks[i].text);
	b->now = NULL;
}

static void checkpoint_begin(struct builder *b, const struct event *ev)
{
	struct model *m = b->model;

	checkpoint_end(b);
	b->number = ev->checkpoint;
	if (m->n_checkpoints >= MODEL_MAX_CHECKPOINTS)
		return;
	b->now = model_one_more((void **)&m->checkpoints, &m->n_checkpoints, sizeof(*m->checkpoints));
	checkpoint_init(b->now, ev);
	progress_init(&b->progress);
}

/*
 * The event's time since the checkpoint began. A trace with steps of mplcr-trigger begins with the tool, at 0; any
 * other log may have begun long before.
 */
static double time_of(struct builder *b, const struct event *ev)
{
	struct progress *p = &b->progress;

	if (!event_has(ev, FIELD_time_ms))
		return NAN;
	if (isnan(p->base_ms)) {
		p->base_ms = ev->kind == EVENT_step ? 0 : ev->at[FIELD_time_ms].real;
		b->now->unix_time_ms = b->unix_offset_ms + p->base_ms;
		p->first = (struct instant){ ev->line == b->now->first_line, 0 };
	}
	return ms_between(p->base_ms, ev->at[FIELD_time_ms].real);
}

static int on_event(void *ctx, const struct event *ev, struct err *e)
{
	struct builder *b = ctx;
	double ms;

	(void)e;
	if (ev->kind == EVENT_unknown)
		return 0;
	if (event_has(ev, FIELD_unix_time_ms))
		b->unix_offset_ms = ev->at[FIELD_unix_time_ms].real - event_real(ev, FIELD_time_ms, 0);
	if (ev->checkpoint != b->number)
		checkpoint_begin(b, ev);
	if (!b->now)
		return 0;
	ms = time_of(b, ev);
	collect_event(&(struct collector){ b->now, &b->progress }, ev, ms);
	return 0;
}

int model_read(struct model *m, const char *path, enum format format, struct err *e)
{
	struct builder b = { .model = m, .unix_offset_ms = NAN };
	int result;

	*m = (struct model){ .path = text_of("%s", path) };
	result = source_read(path, format, on_event, &b, &m->stats, e);
	checkpoint_end(&b);
	if (result < 0)
		model_release(m);
	return result;
}

static void checkpoint_release(struct checkpoint *c)
{
	free(c->status);
	free(c->uri);
	free(c->iterations);
	free(c->samples);
	for (size_t i = 0; i < c->n_syncs; i++)
		free(c->syncs[i].caller);
	free(c->syncs);
	for (size_t i = 0; i < c->n_devices; i++) {
		free(c->devices[i].name);
		free(c->devices[i].description);
	}
	free(c->devices);
	for (size_t i = 0; i < c->n_freezes; i++) {
		free(c->freezes[i].device);
		free(c->freezes[i].file);
		free(c->freezes[i].format);
		free(c->freezes[i].backing);
	}
	free(c->freezes);
	for (size_t i = 0; i < c->n_steps; i++)
		free(c->steps[i].name);
	free(c->steps);
	for (size_t i = 0; i < c->n_notes; i++)
		free(c->notes[i]);
	free(c->notes);
}

void model_release(struct model *m)
{
	for (size_t i = 0; i < m->n_checkpoints; i++)
		checkpoint_release(&m->checkpoints[i]);
	free(m->checkpoints);
	free(m->path);
	*m = (struct model){ 0 };
}
