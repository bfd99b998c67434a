/* SPDX-License-Identifier: MIT */
/* The figures of a checkpoint by name. */
#ifndef MPLCR_TRACE_MEASURES_H
#define MPLCR_TRACE_MEASURES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/model.h"

enum unit { UNIT_COUNT, UNIT_BYTES, UNIT_BYTES_PER_SECOND, UNIT_MS, UNIT_PERCENT, UNIT_SECONDS };

/* One figure of a checkpoint. */
struct measure {
	const char *name;  /* in JSON and CSV, unit included: "live_bytes" */
	const char *label; /* for people: "sent in the live stage" */
	enum unit unit;
	bool real;         /* double, else int64_t */
	size_t offset;     /* in struct checkpoint */
};

/* All of them, *n; without the phases. */
const struct measure *measures(size_t *n);

/* The value, NAN if the log does not give it. */
double measure_value(const struct checkpoint *c, const struct measure *m);

/* The same for JSON, the caller's; NULL if the log does not give it. */
json_t *measure_json(const struct checkpoint *c, const struct measure *m);

/* A value with its unit for people: "144.6 MiB", "12.3 ms"; "-" for NAN. Returns buf. */
char *measure_text(double value, enum unit unit, char buf[32]);

#endif
