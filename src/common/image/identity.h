/* SPDX-License-Identifier: MIT */
/*
 * The identity of an image: what tells that it is still the file that it was, and that nobody has written to it. Size,
 * modification time in nanoseconds and a hash of its first 64 KiB (the header of every format) say "unchanged"; device
 * and inode say "the same file" and may differ after a copy or a move to another filesystem.
 */
#ifndef MPLCR_IDENTITY_H
#define MPLCR_IDENTITY_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

struct identity {
	uint64_t device, inode;
	uint64_t size;     /* bytes */
	int64_t mtime_ns;  /* since the epoch */
	char header[33];   /* XXH3-128 of the first 64 KiB, hexadecimal */
};

/* Reads the identity of the regular file at `path`. Returns 0 or -1. */
int identity_read(const char *path, struct identity *id, struct err *e) __attribute__((warn_unused_result));

/* What differs so that `now` is not the unchanged image `then`: a short text for a message, or NULL. */
const char *identity_difference(const struct identity *then, const struct identity *now);

/* The JSON form, the caller's; and back: returns 0, or -1 where a member is missing or of a wrong type. */
json_t *identity_to_json(const struct identity *id);
int identity_from_json(const json_t *json, struct identity *id);

#endif
