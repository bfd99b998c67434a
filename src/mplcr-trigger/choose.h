/* SPDX-License-Identifier: MIT */
/* The choice of the engine: of those that this VM, QEMU, host and user allow, which, and why. */
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
	double predicted_ms[ENGINES_MAX];    /* pauses, by row; negative where the engine cannot be used */
	bool dirty_measured;                 /* it was tried */
	double dirty_mib_s;                  /* measured dirty rate, negative where there is none */
};

/*
 * Chooses by the options and the survey; measures the dirty rate (1 s) where that decides. `all` is borrowed for as
 * long as the choice. Returns 0 or -1.
 */
int choose_engine(struct choice *c, const struct engines *all, const struct options *o, const struct survey *s,
		  struct qmp *q, struct err *e);

/* The prediction that belongs to the engine chosen, in ms. */
double choice_predicted_ms(const struct choice *c);
/* What row `i` sees of the survey and the choice. */
struct engine_view choice_view(const struct choice *c, size_t i, const struct options *o, const struct survey *s);
/* Says what the user must know of the engine chosen: why, and what it does not do. */
void choice_tell(const struct choice *c, const struct options *o);
/* Why, and what was predicted, for the manifest; `outcome_ms` is the pause as it was. The caller's. */
json_t *choice_to_json(const struct choice *c, double outcome_ms);

#endif
