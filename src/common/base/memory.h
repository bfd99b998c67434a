/* SPDX-License-Identifier: MIT */
/*
 * Memory that is always there: where none is left, the process says so and ends with EXIT_FAILED. A tool of this size has
 * nothing better to do then, and a checkpoint that is under way is taken back by its guardian.
 */
#ifndef MPLCR_MEMORY_H
#define MPLCR_MEMORY_H

#include <stddef.h>

/* calloc: `count` elements of `size` bytes, zeroed; of at least one. */
void *memory_of(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* realloc to `count` elements of `size` bytes; what is new is not zeroed. Takes over `p`. */
void *memory_resize(void *p, size_t count, size_t size) __attribute__((warn_unused_result, returns_nonnull));

/* `p` itself, the result of a library's allocation that fails for lack of memory only. */
void *memory_checked(void *p) __attribute__((returns_nonnull));

#endif
