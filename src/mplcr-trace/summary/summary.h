/* SPDX-License-Identifier: MIT */
/* The forms in which `summary` prints a model. */
#ifndef MPLCR_TRACE_SUMMARY_H
#define MPLCR_TRACE_SUMMARY_H

#include <jansson.h>

#include "model/model.h"

/* The whole as one object, the caller's. */
json_t *summary_to_json(const struct model *m);

/* One row a checkpoint, empty where the log does not tell; a row of names before them. */
void summary_print_csv(const struct model *m);

#endif
