/* SPDX-License-Identifier: MIT */
/*
 * Checksums of file contents: XXH3-128, in hexadecimal as `xxhsum -H2` prints it. They detect damage, not malice. Wraps
 * libxxhash.
 */
#ifndef MPLCR_DIGEST_H
#define MPLCR_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DIGEST_HEX 33 /* 32 digits and a NUL */

/* Whether `text` has the form of a sum. */
bool digest_is(const char *text);

struct digest;

/* A checksum of no bytes yet. Ends the process when memory is out. */
struct digest *digest_new(void) __attribute__((malloc, returns_nonnull));

void digest_update(struct digest *d, const void *data, size_t len);

/* As digest_update with `len` NUL bytes. */
void digest_zeros(struct digest *d, uint64_t len);

/* The checksum of all bytes so far. More may follow. */
void digest_hex(const struct digest *d, char hex[DIGEST_HEX]);

/* NULL is allowed. */
void digest_free(struct digest *d);

/* The checksum of a few bytes in memory. */
void digest_bytes(const void *data, size_t len, char hex[DIGEST_HEX]);

/*
 * The checksum of a whole regular file, whatever the descriptor's offset (which moves); holes count as zeros and are
 * not read. The error message does not name the file: see err_prefix. Returns 0 or -1.
 */
int digest_fd(int fd, char hex[DIGEST_HEX], struct err *e) __attribute__((warn_unused_result));

#endif
