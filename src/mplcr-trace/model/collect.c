/* SPDX-License-Identifier: MIT */
/* Adds each kind of event to the model of its checkpoint. */
#include "model/impl.h"

#include <math.h>
#include <stdlib.h>

static void saw(struct instant *i, double ms)
{
	if (!i->seen)
		*i = (struct instant){ true, ms };
}

/* --- kinds of events -------------------------------------------------------------------------------------------- */

static void take_text(char **text, const struct event *ev, enum event_field field)
{
	if (!event_has(ev, field))
		return;
	free(*text);
	*text = event_text_copy(ev, field);
}

static void take_whole(int64_t *value, const struct event *ev, enum event_field field)
{
	*value = event_whole(ev, field, *value);
}

static void take_real(double *value, const struct event *ev, enum event_field field)
{
	*value = event_real(ev, field, *value);
}

static void on_setup(struct collector *k, const struct event *ev, double ms)
{
	struct checkpoint *c = k->c;

	if (!c->uri)
		take_text(&c->uri, ev, FIELD_uri);
	take_whole(&c->total_pages, ev, FIELD_total_pages);
	take_whole(&c->mplm.interval_seconds, ev, FIELD_interval_seconds);
	take_whole(&c->mplm.dirty_percent, ev, FIELD_dirty_percent);
	if (event_has(ev, FIELD_first_nondirty))
		c->mplm.first_nondirty = ev->at[FIELD_first_nondirty].flag;
	if (event_has(ev, FIELD_relax))
		c->mplm.relax = ev->at[FIELD_relax].flag;
	if (event_text_is(ev, FIELD_step, "queue"))
		k->p->queued++;
	if (event_text_is(ev, FIELD_status, "active") || event_text_is(ev, FIELD_step, "complete"))
		saw(&k->p->save, ms);
}

/* Memory is being saved at this moment. */
static void saving(struct collector *k, double ms)
{
	struct progress *p = k->p;

	saw(&p->save, ms);
	if (!p->stop.seen && !p->done.seen)
		p->saved_while_running = true;
	if ((p->resume.seen || p->background) && !p->done.seen)
		saw(&p->copy, ms);
}

static struct sample *add_sample(struct collector *k, const struct event *ev, double ms)
{
	struct checkpoint *c = k->c;
	struct sample *s = c->n_samples ? &c->samples[c->n_samples - 1] : NULL;

	/* One QMP answer gives two events: sent and pending memory. */
	if (s && ev->kind == EVENT_pending && s->pending_bytes == UNTOLD && s->time_ms == ms)
		return s;
	s = model_one_more((void **)&c->samples, &c->n_samples, sizeof(*s));
	if (s)
		*s = (struct sample){ ms, c->n_iterations, UNTOLD, UNTOLD, NAN };
	return s;
}

static void pending_is(struct collector *k, const struct event *ev, int64_t bytes, double ms)
{
	struct progress *p = k->p;
	struct checkpoint *c = k->c;
	struct sample *sample = add_sample(k, ev, ms);

	if (sample)
		sample->pending_bytes = bytes;
	c->pending_last = bytes;
	if (c->pending_first == UNTOLD)
		c->pending_first = bytes;
	if (!p->pending_fresh && c->n_iterations && c->iterations[c->n_iterations - 1].pending_after == UNTOLD)
		c->iterations[c->n_iterations - 1].pending_after = c->pending_last;
	p->pending_fresh = true;
}

static void on_pending(struct collector *k, const struct event *ev, double ms)
{
	if (!event_has(ev, FIELD_pending_bytes))
		return;
	saving(k, ms);
	pending_is(k, ev, ev->at[FIELD_pending_bytes].whole, ms);
}

static void end_iteration(struct collector *k, double ms)
{
	struct checkpoint *c = k->c;
	struct iteration *i = c->n_iterations ? &c->iterations[c->n_iterations - 1] : NULL;

	if (i && isnan(i->duration_ms))
		i->duration_ms = ms_between(i->time_ms, ms);
}

static void on_iteration(struct collector *k, const struct event *ev, double ms)
{
	struct checkpoint *c = k->c;
	struct iteration *i;

	saving(k, ms);
	end_iteration(k, ms);
	i = model_one_more((void **)&c->iterations, &c->n_iterations, sizeof(*i));
	if (i)
		*i = (struct iteration){ ev->line, ms, NAN, k->p->pending_fresh ? c->pending_last : UNTOLD, UNTOLD };
	k->p->pending_fresh = false;
}

static void on_bandwidth(struct checkpoint *c, double bandwidth)
{
	if (!(bandwidth >= c->bandwidth_min))
		c->bandwidth_min = bandwidth;
	if (!(bandwidth <= c->bandwidth_max))
		c->bandwidth_max = bandwidth;
}

static void on_period(struct progress *p, const struct event *ev)
{
	int64_t bytes = event_whole(ev, FIELD_transferred_bytes, 0);
	double ms = event_real(ev, FIELD_spent_ms, 0);

	if (__builtin_add_overflow(p->period_bytes, bytes, &p->period_bytes))
		p->period_bytes = INT64_MAX;
	p->period_ms += ms;
	if (!p->stop.seen) {
		p->live_ms += ms;
		p->live_period_bytes = p->period_bytes;
	}
}

/* QEMU's figures of the migration so far, or of the whole. */
static void take_totals(struct checkpoint *c, const struct event *ev)
{
	take_real(&c->downtime_ms, ev, FIELD_downtime_ms);
	take_real(&c->setup_ms, ev, FIELD_setup_ms);
	take_real(&c->total_ms, ev, FIELD_total_ms);
	take_whole(&c->total_pages, ev, FIELD_total_pages);
	take_whole(&c->transferred_bytes, ev, FIELD_total_transferred_bytes);
	take_whole(&c->sent_pages, ev, FIELD_sent_pages);
	take_whole(&c->zero_pages, ev, FIELD_zero_pages);
}

static void take_mplm_pages(struct checkpoint *c, const struct event *ev)
{
	take_whole(&c->mplm.sent_nondirty_pages, ev, FIELD_sent_nondirty_pages);
	take_whole(&c->mplm.sent_dirty_pages, ev, FIELD_sent_dirty_pages);
	take_whole(&c->mplm.unsent_nondirty_pages, ev, FIELD_unsent_nondirty_pages);
	take_whole(&c->mplm.unsent_dirty_pages, ev, FIELD_unsent_dirty_pages);
	if (event_has(ev, FIELD_sent_nondirty_pages))
		take_real(&c->mplm.nondirty_percent, ev, FIELD_nondirty_percent);
}

static void on_transferred(struct collector *k, const struct event *ev, double ms)
{
	struct checkpoint *c = k->c;
	struct progress *p = k->p;
	struct sample *s;

	take_totals(c, ev);
	take_mplm_pages(c, ev);
	if (event_has(ev, FIELD_name)) { /* the rest of memory, in the pause */
		p->pause_ms += event_real(ev, FIELD_spent_ms, 0);
		return;
	}
	if (event_has(ev, FIELD_transferred_bytes))
		on_period(p, ev);
	if (event_has(ev, FIELD_sent_pages)) /* a sample, which soon is out of date */
		p->sampled_ms = ms;
	else
		take_whole(&p->exact_total, ev, FIELD_total_transferred_bytes);
	if (!p->done.seen && (event_has(ev, FIELD_transferred_bytes) || event_has(ev, FIELD_sent_pages)))
		saving(k, ms);
	if (event_has(ev, FIELD_bandwidth_bytes_per_second))
		on_bandwidth(c, ev->at[FIELD_bandwidth_bytes_per_second].real);
	else if (!event_has(ev, FIELD_sent_pages))
		return; /* a total per loop turn: very many */
	s = add_sample(k, ev, isnan(ms) && p->period_ms > 0 ? p->period_ms : ms);
	if (!s)
		return;
	s->transferred_bytes = event_has(ev, FIELD_transferred_bytes) ? p->period_bytes : c->transferred_bytes;
	take_real(&s->bandwidth, ev, FIELD_bandwidth_bytes_per_second);
}

static void on_sync(struct collector *k, const struct event *ev, double ms)
{
	struct checkpoint *c = k->c;
	struct bitmap_sync *s = model_one_more((void **)&c->syncs, &c->n_syncs, sizeof(*s));
	int64_t dirty_bytes;

	take_whole(&c->total_pages, ev, FIELD_total_pages);
	take_whole(&c->dirty_pages, ev, FIELD_dirty_pages);
	take_whole(&c->period_dirty_pages, ev, FIELD_period_dirty_pages);
	take_whole(&c->nondirty_pages, ev, FIELD_nondirty_pages);
	if (event_has(ev, FIELD_dirty_pages) && !__builtin_mul_overflow(c->dirty_pages, 4096, &dirty_bytes))
		pending_is(k, ev, dirty_bytes, ms); /* MPLM prints it with every sync */
	if (!s)
		return;
	*s = (struct bitmap_sync){
		.line = ev->line,
		.time_ms = ms,
		.total_pages = event_whole(ev, FIELD_total_pages, UNTOLD),
		.dirty_pages = event_whole(ev, FIELD_dirty_pages, UNTOLD),
		.period_dirty_pages = event_whole(ev, FIELD_period_dirty_pages, UNTOLD),
		.nondirty_pages = event_whole(ev, FIELD_nondirty_pages, UNTOLD),
		.counted_nondirty_pages = event_whole(ev, FIELD_counted_nondirty_pages, UNTOLD),
		.caller = event_text_copy(ev, FIELD_caller),
	};
}

static void on_stop(struct collector *k, const struct event *ev, double ms)
{
	struct progress *p = k->p;

	end_iteration(k, ms);
	if (p->stop.seen)
		return;
	p->stop = (struct instant){ true, ms };
	p->stop_us = event_whole(ev, FIELD_qemu_time_us, UNTOLD);
	p->background = event_text_is(ev, FIELD_step, "background");
	p->total_at_stop = p->exact_total;
}

static void on_resume(struct progress *p, const struct event *ev, double ms)
{
	if (p->resume.seen)
		return;
	p->resume = (struct instant){ true, ms };
	p->resume_us = event_whole(ev, FIELD_qemu_time_us, UNTOLD);
}

static void on_freeze(struct collector *k, const struct event *ev, double ms)
{
	struct checkpoint *c = k->c;
	struct freeze *f = model_one_more((void **)&c->freezes, &c->n_freezes, sizeof(*f));

	saw(&k->p->freeze_begin, ms_between(event_real(ev, FIELD_spent_ms, 0), ms));
	k->p->freeze_end = (struct instant){ true, ms };
	if (!f)
		return;
	f->time_ms = ms;
	f->disk_bytes = event_whole(ev, FIELD_disk_bytes, UNTOLD);
	take_text(&f->device, ev, event_has(ev, FIELD_device) ? FIELD_device : FIELD_node);
	take_text(&f->file, ev, FIELD_file);
	take_text(&f->format, ev, FIELD_format);
	take_text(&f->backing, ev, FIELD_backing);
}

static void on_vmstate(struct collector *k, const struct event *ev)
{
	struct checkpoint *c = k->c;
	struct device *d = model_one_more((void **)&c->devices, &c->n_devices, sizeof(*d));

	k->p->pause_ms += event_real(ev, FIELD_spent_ms, 0);
	if (!d)
		return;
	take_text(&d->name, ev, FIELD_name);
	take_text(&d->description, ev, FIELD_description);
	d->instance = event_whole(ev, FIELD_instance, UNTOLD);
	d->version = event_whole(ev, FIELD_version, UNTOLD);
	d->bytes = event_whole(ev, FIELD_state_bytes, UNTOLD);
	d->spent_ms = event_real(ev, FIELD_spent_ms, NAN);
}

static void note_error(struct checkpoint *c, const struct event *ev)
{
	if (event_has(ev, FIELD_text))
		model_note(c, "QEMU said: %.*s", (int)ev->at[FIELD_text].text.length, ev->at[FIELD_text].text.start);
}

static void on_done(struct collector *k, const struct event *ev, double ms)
{
	struct checkpoint *c = k->c;

	end_iteration(k, ms);
	saw(&k->p->done, ms);
	take_text(&c->status, ev, FIELD_status);
	take_totals(c, ev);
	note_error(c, ev);
}

static void on_step(struct collector *k, const struct event *ev, double ms)
{
	struct checkpoint *c = k->c;
	struct tool_step *s;

	if (event_text_is(ev, FIELD_step, "error"))
		note_error(c, ev);
	if (isnan(ms) || !event_has(ev, FIELD_step))
		return;
	k->p->last_step = (struct instant){ true, ms };
	s = model_one_more((void **)&c->steps, &c->n_steps, sizeof(*s));
	if (s)
		*s = (struct tool_step){ event_text_copy(ev, FIELD_step), ms };
}

/* There are few different remarks, each made by many lines. */
static void on_remark(struct progress *p, const struct event *ev)
{
	struct remark *r;
	size_t i = 0;

	while (i < p->n_remarks && !event_text_is(ev, FIELD_note, p->remarks[i].text))
		i++;
	if (i == NOTE_KINDS)
		return;
	r = &p->remarks[i];
	if (i == p->n_remarks) {
		*r = (struct remark){ event_text_copy(ev, FIELD_note), 0, ev->line };
		p->n_remarks++;
	}
	r->count++;
}

void collect_event(struct collector *k, const struct event *ev, double ms)
{
	struct progress *p = k->p;

	k->c->count[ev->kind]++;
	if (event_has(ev, FIELD_note))
		on_remark(p, ev);
	switch (ev->kind) {
	case EVENT_setup:
		on_setup(k, ev, ms);
		break;
	case EVENT_iteration:
		on_iteration(k, ev, ms);
		break;
	case EVENT_sync:
		on_sync(k, ev, ms);
		break;
	case EVENT_pending:
		on_pending(k, ev, ms);
		break;
	case EVENT_transferred:
		on_transferred(k, ev, ms);
		break;
	case EVENT_switchover:
		end_iteration(k, ms);
		saw(&p->switchover, ms);
		break;
	case EVENT_stop:
		on_stop(k, ev, ms);
		break;
	case EVENT_freeze:
		on_freeze(k, ev, ms);
		break;
	case EVENT_vmstate:
		on_vmstate(k, ev);
		break;
	case EVENT_resume:
		on_resume(p, ev, ms);
		break;
	case EVENT_done:
		on_done(k, ev, ms);
		break;
	case EVENT_step:
		on_step(k, ev, ms);
		break;
	default:
		break;
	}
	k->c->last_line = ev->line;
}
