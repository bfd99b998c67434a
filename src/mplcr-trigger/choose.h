/* SPDX-License-Identifier: MIT */
/* The choice of the engine, and what its pause is predicted to be. */
#ifndef TRIGGER_CHOOSE_H
#define TRIGGER_CHOOSE_H

#include "options.h"
#include "survey.h"

struct choice {
	enum engine_kind engine;
	char why[640];        /* one line for the user */
	double background_ms; /* predicted pauses; negative where the engine cannot be used */
	double precopy_ms;
	double mplcr_ms;
	double stop_ms;
	double dirty_mib_s; /* measured dirty rate, negative where it was not measured */
};

/* Chooses by the options and the survey; measures the dirty rate (1 s) where that decides. Returns 0 or -1. */
int choose_engine(struct choice *c, const struct options *o, const struct survey *s, struct qmp *q, struct err *e);

/* The prediction that belongs to the engine chosen, in ms. */
double choice_predicted_ms(const struct choice *c);

/* Pauses in ms that background and precopy are expected to cost; bytes, bytes per second. */
double predict_background_ms(uint64_t memory, uint64_t populated);
double predict_precopy_ms(uint64_t populated, double dirty_rate, double bandwidth, uint64_t passes);

#endif
