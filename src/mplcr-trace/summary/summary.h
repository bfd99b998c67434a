/* SPDX-License-Identifier: MIT */
/* The forms in which `summary` prints a model. */
#ifndef MPLCR_TRACE_SUMMARY_H
#define MPLCR_TRACE_SUMMARY_H

#include <jansson.h>

#include "model/model.h"

/* The whole model as one object, the caller's. */
json_t *summary_to_json(const struct model *m);

/* A row of names, then one row per checkpoint, empty where the log gives nothing. */
void summary_print_csv(const struct model *m);

#endif
