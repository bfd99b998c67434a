/* SPDX-License-Identifier: MIT */
/*
 * The engines of mplcr-trigger: what pauses are predicted to be, which one is chosen, and that one more row in the
 * table is chosen, refused, predicted and recorded like the others, with nothing else knowing of it.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "mplcr-trigger/choose.h"
#include "mplcr-trigger/engine/engine.h"
#include "mplcr-trigger/engine/predict.h"
#include "mplcr-trigger/options.h"
#include "mplcr-trigger/survey.h"
#include "tap.h"

#define GIB_BYTES (1ULL << 30)

static bool near(double a, double b)
{
	return a - b < 0.01 && b - a < 0.01;
}

static void predictions(void)
{
	ok(near(predict_background_ms(0, 0), 8), "background: no memory costs what is fixed");
	ok(near(predict_background_ms(8 * GIB_BYTES, 0), 88), "background: 10 ms per GiB");
	ok(near(predict_background_ms(8 * GIB_BYTES, 8 * GIB_BYTES), 288), "background: and 25 ms per populated GiB");
	ok(near(predict_precopy_ms(GIB_BYTES, 0, 600 * MIB, 8), 20),
	   "precopy: a guest that does not write costs the least");
	ok(near(predict_precopy_ms(0, 1e9, 1e8, 8), 20), "precopy: nor does one without memory");
	ok(near(predict_precopy_ms(GIB_BYTES, 1e12, 1024 * MIB, 8), 1020),
	   "precopy: one that writes all, all the time, costs all");
	ok(near(predict_precopy_ms(GIB_BYTES, 512 * MIB, 1024 * MIB, 1), 520), "precopy: one pass halves it");
	ok(predict_precopy_ms(GIB_BYTES, 512 * MIB, 1024 * MIB, 8) <= 25.0,
	   "precopy: and so many passes reach the tight limit");
}

/* --- the choice among those that there are ---------------------------------------------------------------------- */

static struct engines all;

static size_t row(const char *name)
{
	for (size_t i = 0; i < all.n; i++)
		if (strcmp(all.rows[i]->name, name) == 0)
			return i;
	return SIZE_MAX;
}

/* A small guest of a QEMU where background and precopy can be had. */
static struct survey usual_survey(void)
{
	struct survey s = { .version = 100000, .running = true, .memory = GIB_BYTES / 2, .populated = GIB_BYTES / 8 };

	for (size_t i = 0; i < all.n; i++)
		s.verdict[i] = (struct verdict){ .possible = true, .safe = true };
	s.verdict[row("mplcr")] = (struct verdict){ .foreign = true, .why = "it lacks the patch" };
	return s;
}

static void set(struct survey *s, const char *name, bool possible, bool safe, const char *why)
{
	struct verdict *v = &s->verdict[row(name)];

	*v = (struct verdict){ .possible = possible, .safe = safe };
	snprintf(v->why, sizeof(v->why), "%s", why);
}

static struct choice last;

/* Whether the choice is that engine (NULL: none). */
static bool chosen(const char *name, const struct options *o, const struct survey *s)
{
	struct err e = { 0 };
	int result = choose_engine(&last, &all, o, s, NULL, &e);

	printf("# %s\n", result < 0 ? e.text : last.why);
	return name ? result == 0 && strcmp(last.engine->name, name) == 0 : result < 0;
}

static void automatic(void)
{
	struct survey s = usual_survey();
	struct options o = { .passes = 8 };

	ok(chosen("background", &o, &s), "a small guest: background");
	set(&s, "precopy", true, false, "it loses writes");
	ok(chosen("background", &o, &s) && strcmp(last.why, "no precopy: it loses writes") == 0,
	   "no safe precopy: background");
	set(&s, "background", false, true, "no userfaultfd");
	ok(chosen("stop", &o, &s) &&
		   strcmp(last.why, "no background snapshot: no userfaultfd; no precopy: it loses writes") == 0,
	   "neither: stop, and no word of another QEMU's engine");
	o.accept_unsafe_precopy = true;
	ok(chosen("precopy", &o, &s) && !last.verdict[last.row].safe, "the risk accepted: precopy");
}

static void automatic_patched(void)
{
	struct survey s = usual_survey();
	struct options o = { .passes = 8, .disks = FREEZE_DEFAULT };

	set(&s, "precopy", false, false, "too old");
	set(&s, "background", false, true, "no userfaultfd");
	set(&s, "mplcr", true, true, "");
	ok(chosen("mplcr", &o, &s), "neither background nor precopy, but the patched QEMU: mplcr");
	o.max_pause_ms = 100;
	ok(chosen("stop", &o, &s) && strstr(last.why, "; no mplcr: it cannot keep to --max-pause"),
	   "which cannot keep to a pause");
	o.max_pause_ms = 0;
	o.at_freeze = "true";
	ok(chosen("stop", &o, &s), "and makes no overlays beside a command");
	o.at_freeze = NULL;
	set(&s, "mplcr", true, false, "unsafe");
	ok(chosen("stop", &o, &s) && strstr(last.why, "; no mplcr: unsafe"), "and not where it is not safe");
}

static void to_stay_paused(void)
{
	struct survey s = usual_survey();
	struct options o = { .passes = 8, .leave_paused = true };

	ok(chosen("background", &o, &s), "to stay paused: background, from 9.0 on");
	s.version = 80299;
	ok(chosen("stop", &o, &s), "stop, before");
	o.engine = engine_named("background");
	ok(chosen(NULL, &o, &s), "even where background was asked for");
	s.version = 90000;
	ok(chosen("background", &o, &s), "but from 9.0 on");
	o = (struct options){ .passes = 8 };
	s.version = 80299;
	s.running = false;
	ok(chosen("stop", &o, &s), "paused by its user: the same");
}

static void by_name(void)
{
	struct survey s = usual_survey();
	struct options o = { .passes = 8, .engine = engine_named("precopy") };

	set(&s, "precopy", true, false, "it loses writes");
	set(&s, "background", false, true, "no userfaultfd");
	ok(chosen(NULL, &o, &s), "an unsafe one");
	o.accept_unsafe_precopy = true;
	ok(chosen("precopy", &o, &s), "with the risk accepted");
	o.engine = engine_named("background");
	ok(chosen(NULL, &o, &s), "one that cannot be had");
	o.engine = engine_named("mplcr");
	ok(chosen(NULL, &o, &s), "another QEMU's");
	set(&s, "mplcr", true, false, "unsafe");
	ok(chosen("mplcr", &o, &s) && !last.verdict[last.row].safe, "an unsafe one that its name is enough for");
	o.engine = engine_named("stop");
	ok(chosen("stop", &o, &s) && choice_predicted_ms(&last) == last.predicted_ms[row("stop")],
	   "stop; the prediction is that of the engine chosen");
	ok(!engine_named("fast") && !engine_named("auto") && !engine_named(""), "no others");
}

/* --- one more --------------------------------------------------------------------------------------------------- */

static int fast_judge(const struct engine_view *v, struct verdict *verdict, struct err *e)
{
	if (v->survey->kvm)
		return 0;
	snprintf(verdict->why, sizeof(verdict->why), "it needs KVM");
	return err_set(e, "no fast checkpoint: %s", verdict->why);
}

static double fast_ms(const struct engine_view *v)
{
	return (double)v->options->passes;
}

static const struct engine fast = {
	.name = "fast",
	.noun = "fast checkpoint",
	.rank = RANK_FIRST,
	.judge = fast_judge,
	.predict_ms = fast_ms,
};

static void added(void)
{
	const struct engine *rows[ENGINES_MAX] = { &fast };
	struct options o = { .passes = 4 };
	struct survey s;
	json_t *recorded;

	for (size_t i = 0; i < engines_all.n; i++)
		rows[1 + i] = engines_all.rows[i];
	all = (struct engines){ .rows = rows, .n = 1 + engines_all.n };
	s = usual_survey();
	ok(chosen("background", &o, &s), "an engine that is refused is not taken");
	o.engine = &fast;
	ok(chosen(NULL, &o, &s), "nor where it was asked for");
	s.kvm = true;
	ok(chosen("fast", &o, &s), "where it can be used, it is taken by its name");
	o.engine = NULL;
	ok(chosen("fast", &o, &s) && strstr(last.why, "the shortest one (fast 4 ms, background 16 ms, precopy 25 ms)"),
	   "and by itself, where its pause is the shortest: %s", last.why);
	recorded = choice_to_json(&last, 3.5);
	ok(json_real_value(json_object_get(recorded, "fast_ms")) == 4 &&
		   json_real_value(json_object_get(recorded, "pause_ms")) == 4 &&
		   json_real_value(json_object_get(recorded, "outcome_ms")) == 3.5 &&
		   json_object_get(recorded, "background_ms") && !json_object_get(recorded, "mplcr_ms"),
	   "its prediction is recorded beside the others");
	json_decref(recorded);
	o.passes = 17;
	ok(chosen("background", &o, &s), "another, where that one's is shorter");
	set(&s, "background", false, true, "no userfaultfd");
	set(&s, "precopy", false, true, "too old");
	s.kvm = false;
	ok(chosen("stop", &o, &s) && strncmp(last.why, "no fast checkpoint: it needs KVM; no background", 47) == 0,
	   "why it could not be used is said");
}

int main(void)
{
	all = engines_all;
	predictions();
	automatic();
	automatic_patched();
	to_stay_paused();
	by_name();
	added();
	return done();
}
