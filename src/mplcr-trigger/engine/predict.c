/* SPDX-License-Identifier: MIT */
#include "engine/predict.h"

#include "engine/steps.h"
#include "options.h"

/* Bytes per second into files, if nothing is known about the storage. */
#define USUAL_BANDWIDTH (600 * MIB)

double predict_bandwidth(const struct options *o)
{
	return o->max_bandwidth ? (double)o->max_bandwidth : USUAL_BANDWIDTH;
}

double predict_background_ms(uint64_t memory, uint64_t populated)
{
	return FIXED_MS + 10 * (double)memory / GIB + 25 * (double)populated / GIB;
}

double predict_precopy_ms(uint64_t populated, double dirty_rate, double bandwidth, uint64_t passes)
{
	double ratio = dirty_rate / bandwidth, left = (double)populated;

	if (ratio > 1)
		ratio = 1; /* a pass cannot dirty more than all memory */
	for (uint64_t i = 0; i < passes && left / bandwidth > TIGHT_LIMIT_MS / 1000.0; i++)
		left *= ratio;
	return PRECOPY_BEST_MS + left / bandwidth * 1000;
}
