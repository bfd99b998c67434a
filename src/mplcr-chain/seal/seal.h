/* SPDX-License-Identifier: MIT */
/*
 * Seals: a sidecar IMAGE.seal that says what an image, and each one below it, was when it was sealed. One JSON object:
 *
 *   schema      "mplcr.chain.seal/1"
 *   sealed      when: UTC, RFC 3339
 *   guest_xxh3  with --digest: the sum of what a guest reads from the image (guest_data.h); else absent
 *   images      the chain, the image itself first: of each `path` (for people: nothing is opened by it), `format` and
 *               `identity` (identity.h); `data_identity`, that of an external data file, where there is one
 */
#ifndef MPLCR_CHAIN_SEAL_H
#define MPLCR_CHAIN_SEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "image/chain.h"
#include "base/digest.h"
#include "base/err.h"
#include "image/identity.h"

struct findings;

struct seal_image {
	char *path, *format;
	struct identity id;
	bool has_data;        /* it has an external data file */
	struct identity data; /* of which this is the identity */
};

struct seal {
	char *sealed;
	char guest_xxh3[DIGEST_HEX]; /* "" where there is none */
	struct seal_image *images;
	size_t n;
};

/* The path of the sidecar of that image. Malloc'd. */
char *seal_path(const char *image);

/* Reads the sidecar of that image, which is hostile. Returns 1, 0 where there is none, -1. To be released in any case.
 */
int seal_load(struct seal *s, const char *image, struct err *e) __attribute__((warn_unused_result));

/* Writes it beside the image; those who may read the image may read it. `replace` as in file_publish. Returns 0 or -1.
 */
int seal_store(const struct seal *s, const char *image, bool replace, struct err *e)
	__attribute__((warn_unused_result));

void seal_release(struct seal *s);

/*
 * Compares the images of a chain with the seal of the first of them that has one: a seal goes down to the base, and one
 * above is not older than the images below it. What differs is a finding.
 */
void seal_check(struct findings *f, const struct chain *c);

#endif
