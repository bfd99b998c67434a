/* SPDX-License-Identifier: MIT */
/*
 * Reads JSON from elsewhere and writes our own: a thin layer over jansson.
 *
 * The getters return borrowed values and never fail loudly: a missing or wrongly typed member gives the default, so
 * that the caller checks values, not types.
 */
#ifndef MPLCR_JSON_H
#define MPLCR_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

static inline void cleanup_json(json_t **j)
{
	json_decref(*j);
}

#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

/* The string at `key`, or NULL. */
const char *json_text(const json_t *object, const char *key);

/* The integer at `key`, or `otherwise`. */
int64_t json_int(const json_t *object, const char *key, int64_t otherwise);

/* The boolean at `key`, or false. */
bool json_flag(const json_t *object, const char *key);

/* The number at `key`, whole or with a fraction, or `otherwise`. */
double json_real_at(const json_t *object, const char *key, double otherwise);

/*
 * Follows keys, ended by NULL, through nested objects: json_path(ret, "inserted", "image", NULL). NULL if one is
 * missing.
 */
json_t *json_path(const json_t *object, ...) __attribute__((sentinel));

/*
 * json_pack, for our own output: ends the process when memory is out or the format is wrong. The caller owns it.
 * Formats: see jansson's json_pack.
 */
json_t *json_of(const char *fmt, ...) __attribute__((returns_nonnull));

/* A string value of bytes that need not be UTF-8 (paths): broken sequences become U+FFFD. */
json_t *json_string_of(const char *bytes);

/* The same of `length` bytes, NULs among them. */
json_t *json_bytes_of(const char *bytes, size_t length);

/*
 * `value` (of any type) in one line as it is to be printed: order kept, and without a character that a terminal obeys
 * (escape.h). Malloc'd.
 */
char *json_line(const json_t *value);

/* Writes `value` and a line feed to standard output, order kept. Returns 0 or -1. */
int json_print(const json_t *value, struct err *e) __attribute__((warn_unused_result));

#endif
