/* SPDX-License-Identifier: MIT */
#include "choose.h"

#include <stdio.h>
#include <string.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/json.h"
#include "options.h"
#include "qemu/qmp.h"
#include "survey.h"

/* QEMU's own sampled estimate over one second (calc-dirty-rate, since 5.2), MiB/s; negative if unavailable. */
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

struct engine_view choice_view(const struct choice *c, size_t i, const struct options *o, const struct survey *s)
{
	return (struct engine_view){
		.survey = s,
		.options = o,
		.state = c->of->state[i],
		.dirty_measured = c->dirty_measured,
		.dirty_mib_s = c->dirty_mib_s,
	};
}

static void take(struct choice *c, size_t i)
{
	c->row = i;
	c->engine = c->of->rows[i];
}

static void predict(struct choice *c, size_t i, const struct options *o, const struct survey *s)
{
	const struct engine_view v = choice_view(c, i, o, s);

	c->predicted_ms[i] = s->verdict[i].possible ? c->of->rows[i]->predict_ms(&v) : -1;
}

/*
 * Fills in every row's verdict and prediction. Returns 0, or -1 with the reason if the row `asked` (or NULL) is
 * unusable.
 */
static int judge_all(struct choice *c, const struct options *o, const struct survey *s, const struct engine *asked,
		     struct err *e)
{
	int result = 0;

	for (size_t i = 0; i < c->of->n; i++) {
		const struct engine_view v = choice_view(c, i, o, s);
		struct err why;

		c->verdict[i] = s->verdict[i];
		c->verdict[i].automatic = true;
		if (c->of->rows[i]->judge(&v, &c->verdict[i], &why) < 0) {
			c->verdict[i].possible = c->verdict[i].automatic = false;
			if (c->of->rows[i] == asked) {
				*e = why;
				result = -1;
			}
		}
		predict(c, i, o, s);
	}
	return result;
}

/* --- auto ------------------------------------------------------------------------------------------------------- */

/* Whether auto may take row `i`, of that rank. */
static bool is_candidate(const struct choice *c, size_t i, enum engine_rank rank)
{
	return c->verdict[i].automatic && c->of->rows[i]->rank == rank;
}

static size_t count_candidates(const struct choice *c, enum engine_rank rank)
{
	size_t n = 0;

	for (size_t i = 0; i < c->of->n; i++)
		n += is_candidate(c, i, rank);
	return n;
}

/* Whether the guest's dirty rate could decide between candidates. */
static bool writes_decide(const struct choice *c, enum engine_rank rank)
{
	for (size_t i = 0; i < c->of->n; i++)
		for (size_t k = 0; k < c->of->n; k++)
			if (i != k && is_candidate(c, i, rank) && is_candidate(c, k, rank) &&
			    c->of->rows[i]->best_ms > 0 && c->predicted_ms[k] > c->of->rows[i]->best_ms)
				return true;
	return false;
}

static void take_shortest(struct choice *c, enum engine_rank rank)
{
	bool found = false;

	for (size_t i = 0; i < c->of->n; i++) {
		if (!is_candidate(c, i, rank) || (found && c->predicted_ms[i] >= c->predicted_ms[c->row]))
			continue;
		take(c, i);
		found = true;
	}
}

/* Appends to the reason; drops text that does not fit. */
__attribute__((format(printf, 2, 3))) static void add_why(struct choice *c, const char *fmt, ...)
{
	size_t used = strlen(c->why);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why + used, sizeof(c->why) - used, fmt, ap);
	va_end(ap);
}

/* Explains the choice between several usable engines by their predictions. */
static void explain_shortest(struct choice *c, enum engine_rank rank, size_t n)
{
	const char *before = "";

	add_why(c, "its predicted pause is the %s one (", n == 2 ? "shorter" : "shortest");
	for (size_t i = 0; i < c->of->n; i++) {
		if (!is_candidate(c, i, rank))
			continue;
		add_why(c, "%s%s %.0f ms", before, c->of->rows[i]->name, c->predicted_ms[i]);
		before = ", ";
	}
	add_why(c, ")");
}

/* Whether row `i` would have been as good or better, so that the reason against it matters. */
static bool is_missed(const struct choice *c, size_t i)
{
	return i != c->row && c->of->rows[i]->rank <= c->engine->rank && !c->verdict[i].automatic &&
	       !c->verdict[i].foreign;
}

/* Adds the reasons against the others. */
static void explain_others(struct choice *c)
{
	const char *before = "";
	size_t n = 0;

	for (size_t i = 0; i < c->of->n; i++)
		n += is_missed(c, i);
	for (size_t i = 0; i < c->of->n; i++) {
		if (!is_missed(c, i))
			continue;
		add_why(c, "%sno %s: %.*s", before, c->of->rows[i]->noun, n > 1 ? 150 : 500, c->verdict[i].why);
		before = "; ";
	}
}

static void explain(struct choice *c, size_t n)
{
	c->why[0] = '\0';
	if (c->verdict[c->row].because)
		add_why(c, "%s", c->verdict[c->row].because);
	else if (n > 1)
		explain_shortest(c, c->engine->rank, n);
	else
		explain_others(c);
}

/* Takes the engine with the shortest predicted pause among those of the best rank available. */
static int choose_auto(struct choice *c, const struct options *o, const struct survey *s, struct qmp *q, struct err *e)
{
	enum engine_rank rank = RANK_FIRST;

	while (count_candidates(c, rank) == 0)
		if (rank++ == RANK_LAST)
			return err_set(e, "no engine can take a checkpoint of this VM");
	if (writes_decide(c, rank)) {
		if (measure_dirty_rate(q, &c->dirty_mib_s, e) < 0)
			return -1;
		c->dirty_measured = true;
		for (size_t i = 0; i < c->of->n; i++)
			predict(c, i, o, s);
	}
	take_shortest(c, rank);
	explain(c, count_candidates(c, rank));
	return 0;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

int choose_engine(struct choice *c, const struct engines *all, const struct options *o, const struct survey *s,
		  struct qmp *q, struct err *e)
{
	*c = (struct choice){ .of = all, .why = "it was asked for", .dirty_mib_s = -1 };
	if (judge_all(c, o, s, o->engine, e) < 0)
		return -1;
	if (!o->engine)
		return choose_auto(c, o, s, q, e);
	for (size_t i = 0; i < all->n; i++)
		if (all->rows[i] == o->engine)
			take(c, i);
	return 0;
}

double choice_predicted_ms(const struct choice *c)
{
	return c->predicted_ms[c->row];
}

void choice_tell(const struct choice *c, const struct options *o)
{
	if (!o->engine)
		cli_note("engine %s: %s", c->engine->name, c->why);
	if (c->engine->unlimited && o->max_bandwidth)
		cli_note("--max-bandwidth has no effect: QEMU does not limit a %s", c->engine->noun);
	if (!c->verdict[c->row].safe)
		cli_warn("%s: the checkpoint's memory may be wrong", c->verdict[c->row].why);
}

json_t *choice_to_json(const struct choice *c, double outcome_ms)
{
	json_t *p =
		json_of("{s:s, s:f, s:f}", "why", c->why, "pause_ms", choice_predicted_ms(c), "outcome_ms", outcome_ms);

	for (size_t i = 0; i < c->of->n; i++) {
		char key[40];

		snprintf(key, sizeof(key), "%s_ms", c->of->rows[i]->name);
		if (c->predicted_ms[i] >= 0)
			json_object_set_new(p, key, json_real(c->predicted_ms[i]));
	}
	if (c->dirty_mib_s >= 0)
		json_object_set_new(p, "dirty_mib_per_s", json_real(c->dirty_mib_s));
	return p;
}
