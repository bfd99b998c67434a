/* SPDX-License-Identifier: MIT */
/*
 * The identity of an image: what tells that it is still the file that it was, and that nobody has written to it. Size,
 * modification time in nanoseconds and a hash of its first 64 KiB (the header of every format) say "unchanged"; device
 * and inode say "the same file" and may differ after a copy or a move to another filesystem. Where the sum of the whole
 * content is known, a copy with another time is the same, too: its content is read then.
 */
#ifndef MPLCR_IDENTITY_H
#define MPLCR_IDENTITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"

#define IDENTITY_HEADER_BYTES 65536

struct identity {
	uint64_t device, inode;
	uint64_t size;     /* bytes */
	int64_t mtime_ns;  /* since the epoch */
	char header[DIGEST_HEX];  /* XXH3-128 of the first 64 KiB */
	char content[DIGEST_HEX]; /* of the whole, or "" where that is not known */
};

/* Reads the identity of the regular file at `path`. Returns 0 or -1. */
int identity_read(const char *path, struct identity *id, struct err *e) __attribute__((warn_unused_result));

/* The same with the sum of its content: reads all of it. */
int identity_read_whole(const char *path, struct identity *id, struct err *e) __attribute__((warn_unused_result));

/* What differs so that `now` is not the unchanged image `then`: a short text for a message, or NULL. */
const char *identity_difference(const struct identity *then, const struct identity *now);

/*
 * Compares the file at `path` with what it was; all of it is read where the sum of its content is known, and its time
 * differs or `sums` is set. *difference: what differs, or NULL. Returns 0, or -1 where it cannot be read.
 */
int identity_check(const struct identity *then, const char *path, bool sums, const char **difference, struct err *e)
	__attribute__((warn_unused_result));

/* The JSON form, the caller's; and back: returns 0, or -1 where a member is missing or of a wrong type. */
json_t *identity_to_json(const struct identity *id);
int identity_from_json(const json_t *json, struct identity *id);

#endif
