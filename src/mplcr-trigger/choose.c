/* SPDX-License-Identifier: MIT */
/*
 * The choice of the engine: those that this VM, QEMU and host allow, and of these the one with the shorter predicted
 * pause. The figures are measured: background costs QEMU about 10 ms per GiB to pre-fault memory and up to 25 ms per
 * populated GiB to write-protect it; precopy costs about 20 ms and what is left when its tight limit is met.
 */
#include "choose.h"
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "qemu/versions.h"

#define GIB (1024.0 * 1024 * 1024)
#define MIB (1024.0 * 1024)

/* Stop, disks and device state, for any engine. */
#define FIXED_MS 8.0

/* What precopy costs at its best. */
#define PRECOPY_BEST_MS 20.0

/* What the patched QEMU pauses small guests: 10 to 180 ms were measured. */
#define MPLCR_MS 100.0

/* Bytes per second into files, where nothing is known of the storage. */
#define USUAL_BANDWIDTH (600 * MIB)

double predict_background_ms(uint64_t memory, uint64_t populated)
{
	return FIXED_MS + 10 * (double)memory / GIB + 25 * (double)populated / GIB;
}

double predict_precopy_ms(uint64_t populated, double dirty_rate, double bandwidth, uint64_t passes)
{
	double ratio = dirty_rate / bandwidth, left = (double)populated;

	if (ratio > 1)
		ratio = 1; /* a pass cannot dirty more than all */
	for (uint64_t i = 0; i < passes && left / bandwidth > TIGHT_LIMIT_MS / 1000.0; i++)
		left *= ratio;
	return PRECOPY_BEST_MS + left / bandwidth * 1000;
}

static double bandwidth_of(const struct options *o)
{
	return o->max_bandwidth ? (double)o->max_bandwidth : USUAL_BANDWIDTH;
}

/* QEMU's own sampled estimate over one second (calc-dirty-rate, since 5.2), MiB/s; negative where it cannot be had. */
static int measure_dirty_rate(struct qmp *q, double *mib_s, struct err *e)
{
	struct err refused;

	*mib_s = -1;
	if (qmp_run(q, "calc-dirty-rate", json_of("{s:i}", "calc-time", 1), NULL, &refused) < 0) {
		*e = refused;
		return qmp_alive(q) ? 0 : -1;
	}
	for (int64_t until = clock_in_ms(5000); clock_ns() < until;) {
		json_t *info, *event;
		bool measured;

		if (qmp_event(q, clock_in_ms(50), &event, e) < 0)
			return -1;
		json_decref(event);
		if (qmp_run(q, "query-dirty-rate", NULL, &info, e) < 0)
			return -1;
		measured = json_text(info, "status") && strcmp(json_text(info, "status"), "measured") == 0;
		if (measured)
			*mib_s = (double)json_int(info, "dirty-rate", -1);
		json_decref(info);
		if (measured)
			break;
	}
	return 0;
}

static int choose(struct choice *c, enum engine_kind engine, const char *fmt, const char *why)
{
	c->engine = engine;
	snprintf(c->why, sizeof(c->why), fmt, why);
	return 0;
}

/* Both are possible and the guest runs: the shorter pause decides. */
static int choose_shorter(struct choice *c, const struct options *o, const struct survey *s, struct qmp *q,
			  struct err *e)
{
	if (c->background_ms > PRECOPY_BEST_MS) {
		if (measure_dirty_rate(q, &c->dirty_mib_s, e) < 0)
			return -1;
		c->precopy_ms =
			predict_precopy_ms(s->populated, c->dirty_mib_s < 0 ? bandwidth_of(o) : c->dirty_mib_s * MIB,
					   bandwidth_of(o), o->passes);
	}
	c->engine = c->precopy_ms < c->background_ms ? ENGINE_PRECOPY : ENGINE_BACKGROUND;
	snprintf(c->why, sizeof(c->why), "its predicted pause is the shorter one (background %.0f ms, precopy %.0f ms)",
		 c->background_ms, c->precopy_ms);
	return 0;
}

/* The guest stands still anyway, so no pause counts: what leaves the VM exactly as it was is best. */
static int choose_for_paused(struct choice *c, const struct survey *s)
{
	if (!s->background_refusal[0] && s->version >= QEMU_BREAKABLE_BACKGROUND)
		return choose(c, ENGINE_BACKGROUND, "%s",
			      "the VM is to stay paused, and this leaves its disks in QEMU's hands");
	return choose(c, ENGINE_STOP, "%s", "the VM is to stay paused");
}

/* Why the patched QEMU's engine is not for this checkpoint, or NULL. */
static const char *no_mplcr(const struct options *o, const struct survey *s)
{
	if (!s->patched || s->mplcr_refusal[0])
		return s->mplcr_refusal;
	if (o->max_pause_ms)
		return "it cannot keep to --max-pause";
	if ((s->sticky.script || o->at_freeze || o->include.n > 0) &&
	    (o->disks == DISKS_OVERLAY || o->disks == DISKS_AUTO))
		return "it makes no overlays beside a command in the pause";
	return NULL;
}

/* Neither background nor precopy is there. */
static int choose_of_rest(struct choice *c, const struct options *o, const struct survey *s)
{
	const char *none = no_mplcr(o, s);

	snprintf(c->why, sizeof(c->why), "no background snapshot: %.150s; no precopy: %.150s%s%.250s",
		 s->background_refusal, s->precopy_refusal, none && s->patched ? "; no mplcr: " : "",
		 none && s->patched ? none : "");
	c->engine = none ? ENGINE_STOP : ENGINE_MPLCR;
	return 0;
}

static int choose_auto(struct choice *c, const struct options *o, const struct survey *s, struct qmp *q, struct err *e)
{
	bool background = !s->background_refusal[0];
	bool precopy = !s->precopy_refusal[0] || (s->precopy_unsafe && o->accept_unsafe_precopy);

	if (!s->running || o->leave_paused)
		return choose_for_paused(c, s);
	if (background && precopy)
		return choose_shorter(c, o, s, q, e);
	if (background)
		return choose(c, ENGINE_BACKGROUND, "no precopy: %s", s->precopy_refusal);
	if (precopy)
		return choose(c, ENGINE_PRECOPY, "no background snapshot: %s", s->background_refusal);
	return choose_of_rest(c, o, s);
}

static int check_mplcr(const struct options *o, const struct survey *s, struct err *e)
{
	const char *option = options_of_mplcr(o);

	if (!s->patched) {
		err_set(e, "%s%sno engine mplcr: %s", option ? option : "", option ? ": " : "", s->mplcr_refusal);
		return err_hint(e, "--engine auto takes what this QEMU has");
	}
	if (o->leave_paused) {
		err_set(e, "the patched QEMU lets the VM run after its checkpoint, and it is to stay paused");
		return err_hint(e, "--engine stop keeps it paused");
	}
	if (o->max_pause_ms) {
		err_set(e, "--max-pause cannot be kept by the patched QEMU: it ends its pause by itself");
		return err_hint(e, "--engine stop gives up in time");
	}
	return 0;
}

/* Whether the engine that the user asked for can be used. */
static int check_asked(const struct options *o, const struct survey *s, struct err *e)
{
	bool stays_paused = !s->running || o->leave_paused;

	if (o->engine == ENGINE_BACKGROUND && s->background_refusal[0]) {
		err_set(e, "no background snapshot of this VM: %s", s->background_refusal);
		return err_hint(
			e, "it needs root, vm.unprivileged_userfaultfd=1 or access to /dev/userfaultfd for QEMU, and "
			   "guest memory that is not a file; --engine auto takes what is possible");
	}
	if (o->engine == ENGINE_BACKGROUND && stays_paused && s->version < QEMU_BREAKABLE_BACKGROUND) {
		err_set(e, "QEMU before 9.0 lets the VM run after a background snapshot, and it is to stay paused");
		return err_hint(e, "--engine stop keeps it paused");
	}
	if (o->engine == ENGINE_PRECOPY && s->precopy_unsafe && !o->accept_unsafe_precopy) {
		err_set(e, "no precopy of this VM: %s", s->precopy_refusal);
		return err_hint(
			e,
			"--engine background or stop is safe; --accept-unsafe-precopy takes the risk of a checkpoint "
			"with wrong memory");
	}
	if (o->engine == ENGINE_PRECOPY && s->precopy_refusal[0] && !s->precopy_unsafe)
		return err_set(e, "no precopy of this VM: %s", s->precopy_refusal);
	return o->engine == ENGINE_MPLCR ? check_mplcr(o, s, e) : 0;
}

int choose_engine(struct choice *c, const struct options *o, const struct survey *s, struct qmp *q, struct err *e)
{
	*c = (struct choice){ .engine = o->engine, .why = "it was asked for", .dirty_mib_s = -1 };
	c->background_ms = s->background_refusal[0] ? -1 : predict_background_ms(s->memory, s->populated);
	c->precopy_ms = s->precopy_refusal[0] && !s->precopy_unsafe ? -1 : PRECOPY_BEST_MS + TIGHT_LIMIT_MS;
	c->mplcr_ms = s->patched ? MPLCR_MS : -1;
	c->stop_ms = FIXED_MS + (double)s->populated / bandwidth_of(o) * 1000;
	if (o->engine == ENGINE_AUTO)
		return choose_auto(c, o, s, q, e);
	return check_asked(o, s, e);
}

double choice_predicted_ms(const struct choice *c)
{
	return c->engine == ENGINE_BACKGROUND ? c->background_ms
	       : c->engine == ENGINE_PRECOPY  ? c->precopy_ms
	       : c->engine == ENGINE_MPLCR    ? c->mplcr_ms
					      : c->stop_ms;
}
