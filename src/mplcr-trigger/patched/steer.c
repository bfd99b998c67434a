/* SPDX-License-Identifier: MIT */
/*
 * The live stage of the patched QEMU sends each page of memory once, and pages that the guest dirtied meanwhile in the
 * pause. It looks whether it may end only between two bursts; where a burst sends the last page, it spins for ever
 * (migration/ram.c of the patch, ram_find_and_save_block: the search starts anew in each round). It ends where what is
 * left is less than bandwidth × downtime-limit at such a look.
 *
 * So it must not run dry, and what is left to be sent once must be known. A look at what is dirty (a sync) takes dirty
 * pages away from that and adds those that were sent already, so there is none before the end, unless the user sets the
 * interval. The live stage begins at a crawl until we watch it, and goes on at the requested pace. When little is left
 * it crawls again, and we raise its downtime-limit above the rest, so that its next look ends it.
 *
 * An extended live stage must come through the last page, since it is safe only beyond it: there it sends what gets
 * dirty. With interval 0 it looks after each page, and sees the end; that is slow and makes QEMU print a lot, so it is
 * for the last pages only. A new interval counts from the next look on, at most a second later.
 */
#include "patched/steer.h"
#include "engine/steps.h"
#include "options.h"
#include "patched/commands.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

/* Bytes per second unless the user says otherwise; more than this outruns our watching. */
#define PACE 200000000

/*
 * One burst, 100 ms, at this rate sends next to nothing; yet times the longest downtime-limit it is 2 GB, which is more
 * than what is left at the end.
 */
#define CRAWL (1 << 20)

/*
 * What is left when it is brought to its end, to be sent in the pause. Zero pages go at up to 5 GB/s (measured), which
 * no pace limits since each is sent as 9 bytes, and QEMU may answer us late. A smaller guest is all sent in the pause.
 */
#define LEFT_BYTES (512 << 20)

/* Between two looks of ours, where the end is far and where it is near. */
#define FAR_LOOK_MS 50
#define NEAR_LOOK_MS 5

/* Seconds: so soon that a new interval is taken early, and so late that there is none. */
#define SHORT_INTERVAL_S 1
#define LONG_INTERVAL_S 3600

/* One data page a burst, while a new interval is waited for. */
#define STANDSTILL 20000
#define INTERVAL_MS 1500

/* QEMU's own bound of downtime-limit, ms. */
#define LONGEST_LIMIT_MS 2000000

uint64_t steer_first_bandwidth(const struct options *o)
{
	return o->max_rate ? PACE : CRAWL;
}

struct mplm steer_first_settings(const struct engine_job *j)
{
	const struct options *o = j->options;
	struct mplm m = o->mplm;

	if (o->extend_live)
		m.interval_s = SHORT_INTERVAL_S;
	else if (!m.given && !o->max_rate && j->survey->memory > LEFT_BYTES)
		m.interval_s = LONG_INTERVAL_S;
	return m;
}

static int set_interval(struct engine_job *j, uint64_t interval_s, struct err *e)
{
	struct mplm m = j->options->mplm;

	m.interval_s = interval_s;
	return patch_set(j->changes, &m, true, j->q, e);
}

/* Noted, to be put back. */
static int raise_limit(struct engine_job *j, struct err *e)
{
	_cleanup_json_ json_t *wanted = json_of("{s:I}", "downtime-limit", (json_int_t)LONGEST_LIMIT_MS);

	return changes_parameters(j->changes, j->q, j->survey->parameters, wanted, e);
}

/* Always sent, even where it is what the VM had before; that is noted already. */
static int set_bandwidth(struct engine_job *j, uint64_t bandwidth, struct err *e)
{
	return qmp_run(j->q, "migrate-set-parameters", json_of("{s:I}", "max-bandwidth", (json_int_t)bandwidth), NULL,
		       e);
}

int steer_begin(struct steer *st, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *info = NULL;

	if (qmp_run(q, "query-migrate", NULL, &info, e) < 0)
		return -1;
	*st = (struct steer){ .step = STEER_START, .pages_before = vm_pages_sent(json_object_get(info, "ram")) };
	return 0;
}

static uint64_t pace(const struct options *o)
{
	return o->max_bandwidth ? o->max_bandwidth : PACE;
}

static int go(struct steer *st, enum steer_step step, struct engine_job *j, uint64_t bandwidth, struct err *e)
{
	st->step = step;
	return set_bandwidth(j, bandwidth, e);
}

/* Little is left: the live stage ends, or goes on page by page. */
static int near_end(struct steer *st, struct engine_job *j, struct err *e)
{
	if (!j->changes->patch.extended) {
		if (go(st, STEER_END, j, CRAWL, e) < 0)
			return -1;
		return raise_limit(j, e);
	}
	if (st->step >= STEER_WAIT)
		return 0;
	st->since = clock_ns();
	st->passes = j->passes_done;
	if (go(st, STEER_WAIT, j, STANDSTILL, e) < 0)
		return -1;
	return set_interval(j, 0, e);
}

/* Page by page, until all have been sent once. */
static int crawl(struct steer *st, struct engine_job *j, struct err *e)
{
	bool begun = j->passes_done > st->passes + 2 || clock_ms_between(st->since, clock_ns()) > INTERVAL_MS;

	if (st->step == STEER_WAIT && begun)
		return go(st, STEER_CRAWL, j, pace(j->options), e);
	if (st->step != STEER_CRAWL || j->pages_sent - st->pages_before < j->pages_total)
		return 0;
	st->step = STEER_LIVE;
	return set_interval(j, j->options->mplm.interval_s, e);
}

int steer(struct steer *st, struct engine_job *j, struct err *e)
{
	if (!vm_status_is(j, "active") || j->stop_us || st->step == STEER_END)
		return 0;
	if (j->pages_sent < st->pages_before)
		st->pages_before = 0; /* this QEMU begins anew */
	if (st->step == STEER_START && j->remaining > LEFT_BYTES) {
		if (j->options->max_rate)
			st->step = STEER_PACE;
		else if (go(st, STEER_PACE, j, pace(j->options), e) < 0)
			return -1;
	}
	if (j->remaining <= LEFT_BYTES && near_end(st, j, e) < 0)
		return -1;
	return crawl(st, j, e);
}

int steer_look_ms(const struct steer *st, const struct engine_job *j)
{
	if (st->step == STEER_LIVE || st->step == STEER_CRAWL)
		return FAR_LOOK_MS;
	return j->remaining > 4 * (int64_t)LEFT_BYTES ? FAR_LOOK_MS : NEAR_LOOK_MS;
}
