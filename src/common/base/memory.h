/* SPDX-License-Identifier: MIT */
/*
 * Allocations that never fail: without memory the process says so and ends with EXIT_FAILED. A tool of this size can do
 * nothing better, and the guardian takes back a checkpoint under way.
 */
#ifndef MPLCR_MEMORY_H
#define MPLCR_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* calloc: `count` elements of `size` bytes, zeroed; of at least one. */
void *memory_of(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* realloc to `count` elements of `size` bytes; the new ones are not zeroed. Takes over `p`. */
void *memory_resize(void *p, size_t count, size_t size) __attribute__((warn_unused_result, returns_nonnull));

/* Returns `p`, the result of a library call that only fails when memory is out. */
void *memory_checked(void *p) __attribute__((returns_nonnull));

/* Whether all `n` bytes are 0. */
bool memory_is_zero(const void *bytes, size_t n);

#endif
