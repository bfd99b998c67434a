/* SPDX-License-Identifier: MIT */
/* The phases of a checkpoint and the parts of its pause: differences between the times of events. */
#include "model/impl.h"

#include <math.h>

#define ONE_PHASE_NAME(name) #name,
static const char *const names[] = { PHASES_X(ONE_PHASE_NAME) };

const char *phase_name(enum phase phase)
{
	return names[phase];
}

bool phase_is_part(enum phase phase)
{
	return phase >= PHASE_before_freeze && phase <= PHASE_after_freeze;
}

/* The earlier of the two. */
static struct instant earlier(struct instant a, struct instant b)
{
	if (!a.seen || !b.seen)
		return a.seen ? a : b;
	return a.ms <= b.ms || isnan(b.ms) ? a : b;
}

static struct instant later(struct instant a, struct instant b)
{
	if (!a.seen || !b.seen)
		return a.seen ? a : b;
	return a.ms >= b.ms || isnan(b.ms) ? a : b;
}

static struct instant or_else(struct instant a, struct instant b)
{
	return a.seen ? a : b;
}

static void set(struct checkpoint *c, enum phase phase, bool seen, struct instant from, struct instant to)
{
	struct phase_times *t = &c->phases[phase];

	*t = (struct phase_times){ seen, NAN, NAN, false };
	if (!seen || !from.seen)
		return;
	t->began_ms = from.ms;
	if (to.seen && to.ms >= from.ms)
		t->duration_ms = ms_between(from.ms, to.ms);
}

/*
 * Corrects the pause by QEMU's own time stamps, if both events have them: a trace records when an event arrived, some
 * time after it happened. Moves the event that took longer to arrive. Steps in between, timed by the trace, stay in
 * between: they began after the stop had arrived, and ended before the guest ran.
 */
static void trust_stamps(struct instant *stop, struct instant *resume, const struct progress *p)
{
	double pause;

	if (p->stop_us < 0 || p->resume_us < p->stop_us)
		return;
	pause = (double)(p->resume_us - p->stop_us) / 1000;
	if (resume->ms - stop->ms > pause)
		resume->ms = ms_between(-pause, stop->ms);
	else
		stop->ms = ms_between(pause, resume->ms);
}

/* A duration without times, from the lengths of its periods. */
static void approximate(struct phase_times *t, double ms)
{
	if (!t->seen || !(ms > 0))
		return;
	t->duration_ms = ms;
	t->approximate = true;
}

void phases_make(struct checkpoint *c, const struct progress *p)
{
	struct instant stop = p->stop, resume = p->resume, never = { 0 }, live_end, pause_end, over;
	bool frozen = stop.seen && c->n_freezes > 0;

	trust_stamps(&stop, &resume, p);
	live_end = or_else(stop, or_else(p->switchover, p->done));
	pause_end = or_else(resume, p->copy.seen ? never : p->done);
	over = later(resume, p->done);
	/* If the guest was stopped first, the setup is in the pause. */
	set(c, PHASE_setup, c->count[EVENT_setup] > 0 && !(stop.seen && p->first.seen && stop.ms <= p->first.ms),
	    p->first, earlier(p->save, stop));
	set(c, PHASE_live, p->saved_while_running, p->save, live_end);
	set(c, PHASE_pause, stop.seen, stop, pause_end);
	set(c, PHASE_before_freeze, frozen, stop, p->freeze_begin);
	set(c, PHASE_freeze, frozen, p->freeze_begin, p->freeze_end);
	set(c, PHASE_after_freeze, frozen, p->freeze_end, pause_end);
	set(c, PHASE_copy, p->copy.seen, or_else(resume, p->copy), p->done);
	set(c, PHASE_finish, over.seen && p->last_step.ms > over.ms, over, p->last_step);
	if (!isnan(p->base_ms))
		return;
	approximate(&c->phases[PHASE_live], p->live_ms);
	approximate(&c->phases[PHASE_pause], p->pause_ms);
}
