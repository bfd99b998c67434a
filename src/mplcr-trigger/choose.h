/* SPDX-License-Identifier: MIT */
/* Chooses an engine among those that this VM, QEMU, host and user allow, and says why. */
#ifndef TRIGGER_CHOOSE_H
#define TRIGGER_CHOOSE_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"
#include "engine/engine.h"

struct choice {
	const struct engines *of;
	size_t row;                          /* the one chosen */
	const struct engine *engine;         /* the same */
	char why[640];                       /* one line for the user */
	struct verdict verdict[ENGINES_MAX]; /* by row */
	double predicted_ms[ENGINES_MAX];    /* pauses, by row; negative if the engine cannot be used */
	bool dirty_measured;                 /* the measurement was tried */
	double dirty_mib_s;                  /* measured dirty rate, negative without one */
};

/*
 * Chooses by the options and the survey; measures the dirty rate (1 s) if that decides. `all` is borrowed as long as
 * the choice lives. Returns 0 or -1.
 */
int choose_engine(struct choice *c, const struct engines *all, const struct options *o, const struct survey *s,
		  struct qmp *q, struct err *e);

/* The prediction for the chosen engine, in ms. */
double choice_predicted_ms(const struct choice *c);
/* The view of row `i` on the survey and the choice. */
struct engine_view choice_view(const struct choice *c, size_t i, const struct options *o, const struct survey *s);
/* Tells the user about the chosen engine: why, and which options it ignores. */
void choice_tell(const struct choice *c, const struct options *o);
/* The reason and the prediction for the manifest; `outcome_ms` is the actual pause. The caller's. */
json_t *choice_to_json(const struct choice *c, double outcome_ms);

#endif
