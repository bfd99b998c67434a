/* SPDX-License-Identifier: MIT */
/* Figures derived from others once a checkpoint is over, and notes on odd or missing data. */
#include "model/impl.h"

#include <inttypes.h>
#include <math.h>

#define PAGE 4096

static int64_t bytes_of_pages(int64_t pages)
{
	int64_t bytes;

	return pages < 0 || __builtin_mul_overflow(pages, PAGE, &bytes) ? UNTOLD : bytes;
}

static int64_t sum(int64_t a, int64_t b)
{
	int64_t total;

	return a < 0 || b < 0 || __builtin_add_overflow(a, b, &total) ? UNTOLD : total;
}

/*
 * The live stage of MPLM sends each clean page at most once, and at most p dirty pages with every 100 - p clean ones.
 * So it ends after total * 100 / (100 - p) pages.
 */
static void bound(struct checkpoint *c)
{
	int64_t p = c->mplm.dirty_percent;

	if (p < 0 || p >= 100 || c->total_pages < 0 || c->total_pages > INT64_MAX / 100)
		return;
	c->mplm.bound_pages = c->total_pages * 100 / (100 - p);
	if (c->sent_pages != UNTOLD)
		c->mplm.bound_kept = c->sent_pages <= c->mplm.bound_pages;
}

static void mplm_figures(struct checkpoint *c)
{
	c->sent_pages = sum(c->mplm.sent_nondirty_pages, c->mplm.sent_dirty_pages);
	c->live_bytes = bytes_of_pages(c->sent_pages);
	c->stop_bytes = c->dirty_pages != UNTOLD ? bytes_of_pages(c->dirty_pages) : c->pending_last;
	c->transferred_bytes = sum(c->live_bytes, c->stop_bytes);
	bound(c);
	if (!isnan(c->mplm.nondirty_percent))
		model_note(c, "\"Percents\" of the log is a fraction: times 100 here");
	model_note(c, "bytes are pages times 4096: the stream needs less for zero pages");
}

static void transfer_figures(struct checkpoint *c, const struct progress *p)
{
	if (p->period_bytes > 0) {
		if (c->transferred_bytes == UNTOLD)
			c->transferred_bytes = p->period_bytes;
		c->live_bytes = p->live_period_bytes;
		c->bandwidth_mean = p->period_ms > 0 ? (double)p->period_bytes / p->period_ms * 1000 : NAN;
	}
	if (p->total_at_stop >= 0 && p->exact_total >= p->total_at_stop && !p->copy.seen) {
		c->live_bytes = p->total_at_stop;
		c->stop_bytes = p->exact_total - p->total_at_stop;
	}
}

/* From the first and the last sample, if the log has no periods. */
static void mean_of_samples(struct checkpoint *c)
{
	const struct sample *first = NULL, *last = NULL;

	for (size_t i = 0; i < c->n_samples; i++)
		if (c->samples[i].transferred_bytes != UNTOLD && !isnan(c->samples[i].time_ms)) {
			first = first ? first : &c->samples[i];
			last = &c->samples[i];
		}
	if (isnan(c->bandwidth_mean) && first && last->time_ms > first->time_ms)
		c->bandwidth_mean = ((double)last->transferred_bytes - (double)first->transferred_bytes) /
				    (last->time_ms - first->time_ms) * 1000;
}

static void note_remarks(struct checkpoint *c, const struct progress *p)
{
	for (size_t i = 0; i < p->n_remarks; i++) {
		const struct remark *r = &p->remarks[i];

		if (r->count == 1)
			model_note(c, "line %" PRIu64 ": %s", r->first_line, r->text);
		else
			model_note(c, "%" PRIu64 " lines, from %" PRIu64 ": %s", r->count, r->first_line, r->text);
	}
}

static void note_missing(struct checkpoint *c, const struct progress *p)
{
	uint64_t without = 0;

	for (size_t i = 0; i < c->n_iterations; i++)
		without += c->iterations[i].pending_before == UNTOLD;
	if (without && without < c->n_iterations)
		model_note(c, "the log does not give the pending memory before %" PRIu64 " of %zu iterations", without,
			   c->n_iterations);
	if (p->queued > c->count[EVENT_freeze])
		model_note(c, "%" PRIu64 " overlays were queued and %" PRIu64 " made", p->queued,
			   c->count[EVENT_freeze]);
	if (c->count[EVENT_stop] && !c->count[EVENT_resume])
		model_note(c, p->copy.seen ? "a background snapshot: the log does not show when the guest ran again"
					   : "the log does not show that the guest ran again");
	if (p->sampled_ms < p->done.ms)
		model_note(c, "bytes and pages come from the last sample, %.1f ms before the migration ended",
			   ms_between(p->sampled_ms, p->done.ms));
	if (c->phases[PHASE_live].approximate)
		model_note(c, "no time stamps: the live stage is the sum of its periods of measurement");
	if (c->phases[PHASE_pause].approximate)
		model_note(c, "no time stamps: the pause is the sum of its sections, and was longer");
}

void figures_make(struct checkpoint *c, const struct progress *p)
{
	if (c->mplm.interval_seconds != UNTOLD || c->nondirty_pages != UNTOLD)
		mplm_figures(c);
	else
		transfer_figures(c, p);
	mean_of_samples(c);
	note_remarks(c, p);
	note_missing(c, p);
}
