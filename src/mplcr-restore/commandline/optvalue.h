/* SPDX-License-Identifier: MIT */
/*
 * The value of a QEMU option in either of its two forms: an option string (keyval.h), or JSON, which -blockdev,
 * -object, -netdev and -device take where the value begins with '{'. Members are named the same way in both:
 * "file.filename" is that key of an option string, or the member of the member of an object. The form is kept.
 */
#ifndef MPLCR_OPTVALUE_H
#define MPLCR_OPTVALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "qemu/keyval.h"

struct optvalue {
	json_t *json; /* NULL for an option string */
	struct keyval kv;
};

/*
 * Reads `text`; `implied` is the key of a first value without one, or NULL. JSON that cannot be read is an empty
 * object.
 */
void optvalue_parse(struct optvalue *o, const char *text, const char *implied);

/* The text at `key`, or NULL where there is none, or a number, a boolean or an object. The string is the optvalue's. */
const char *optvalue_get(const struct optvalue *o, const char *key);

/* Whether there is a `key`, or anything below it. */
bool optvalue_has(const struct optvalue *o, const char *key);

/* Whether the boolean at `key` is on. */
bool optvalue_on(const struct optvalue *o, const char *key);

/* Set, in the form that QEMU wants for a text, a boolean, a number. */
void optvalue_set(struct optvalue *o, const char *key, const char *text);
void optvalue_set_flag(struct optvalue *o, const char *key, bool on);
void optvalue_set_number(struct optvalue *o, const char *key, uint64_t number);

/* Removes `key` and all below it. */
void optvalue_remove(struct optvalue *o, const char *key);

/* Renames `key` (a plain value) to `to`, where it is there. */
void optvalue_rename(struct optvalue *o, const char *key, const char *to);

/*
 * Puts what `other` returns in place of each text, wherever it stands; NULL: it stays. Returns whether there was any.
 */
bool optvalue_replace(struct optvalue *o, const char *(*other)(void *ctx, const char *text), void *ctx);

/* The value as QEMU takes it; malloc'd. */
char *optvalue_text(const struct optvalue *o);

void optvalue_release(struct optvalue *o);

#define _cleanup_optvalue_ __attribute__((cleanup(optvalue_release)))

#endif
