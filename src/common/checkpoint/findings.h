/* SPDX-License-Identifier: MIT */
/* What verify finds: a list of codes, each with the file that it is about and what is wrong there. */
#ifndef MPLCR_CHECKPOINT_FINDINGS_H
#define MPLCR_CHECKPOINT_FINDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "checkpoint/codes.h"

#define FINDINGS_ONE(id, name, meaning) id,
enum code { CODES_X(FINDINGS_ONE) CODES };
#undef FINDINGS_ONE

struct finding {
	enum code code;
	char *path;
	char *text; /* lower case, no full stop; bytes from outside are not yet escaped */
};

struct findings {
	struct finding *items;
	size_t n;
	json_t *seen; /* a set of those that are there: two chains that share images say each thing once */
};

/* Adds one, unless the same is there already. */
void findings_add(struct findings *f, enum code code, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether there is one of that code about that file. */
bool findings_has(const struct findings *f, enum code code, const char *path);

/* How many there are of a severity: 'E', 'W' or 'N'. */
size_t findings_count(const struct findings *f, char severity);

/* One line each, "CODE path: text", on standard output, control bytes escaped. */
void findings_print(const struct findings *f);

/* A list of objects with code, path and text; the caller's. */
json_t *findings_to_json(const struct findings *f);

void findings_release(struct findings *f);

#endif
