/* SPDX-License-Identifier: MIT */
/*
 * The members of a manifest's JSON, which is taken as hostile: each getter checks type and range, and the first fault
 * is kept with the member's name. Private to the parts of manifest_load.
 */
#ifndef MPLCR_MANIFEST_READER_H
#define MPLCR_MANIFEST_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/identity.h"

/* The file that is read, and its first fault: after one, the getters give defaults and the manifest is thrown away. */
struct reader {
	const char *file;
	struct err *e;
	bool failed;
};

/* Where in the file an object is: "disks[0].chain[1].", or "" for the outermost. */
struct place {
	const json_t *object;
	char name[96];
};

/* Notes a fault; only the first one counts. */
void reader_fault(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The object at `key`, or at index `i` of the list at `key`. */
struct place reader_member(struct reader *r, const struct place *in, const char *key);
struct place reader_item(struct reader *r, const struct place *in, const char *key, size_t i);

/* How many items the list at `key` has, at most `max`. */
size_t reader_count(struct reader *r, const struct place *in, const char *key, size_t max);

/* A copy of the text at `key`, or NULL where it is null or missing; one that must be there and not be empty. */
char *reader_text(struct reader *r, const struct place *in, const char *key);
char *reader_need_text(struct reader *r, const struct place *in, const char *key);

/* The same of an absolute path, which must be there. */
char *reader_path(struct reader *r, const struct place *in, const char *key);

/* A copy of a list of strings, NULL-terminated; NULL where there is none, or null. */
char **reader_strings(struct reader *r, const struct place *at, const char *key, size_t max);

/* A whole number, not negative; a time in ms. */
uint64_t reader_number(struct reader *r, const struct place *in, const char *key);
double reader_ms(struct reader *r, const struct place *in, const char *key);

/* true or false; `otherwise` where it is missing, as what came later than the format may be. */
bool reader_flag(struct reader *r, const struct place *in, const char *key, bool otherwise);

/* The member "identity". */
struct identity reader_identity(struct reader *r, const struct place *in);

/* Whether `path` is relative and stays below where it starts. */
bool text_stays_below(const char *path);

bool text_has_control(const char *text);

#endif
