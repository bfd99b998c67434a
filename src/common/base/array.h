/* SPDX-License-Identifier: MIT */
/*
 * Lists that grow: a pointer, NULL at first, and a number of elements beside it. No capacity is kept: there is room for the
 * next power of two, so a list must grow by array_add alone. free() ends it.
 */
#ifndef MPLCR_ARRAY_H
#define MPLCR_ARRAY_H

#include <stddef.h>

/* Adds one zeroed element to `list`, which has `n`, and counts it; the pointer to it, valid until the next is added. */
#define array_add(list, n) ((list) = array_with_room((list), (n), sizeof(*(list))), &(list)[(n)++])

/* `list` of `n` elements of `size` bytes with room for one more, zeroed; memory.h where there is none. */
void *array_with_room(void *list, size_t n, size_t size) __attribute__((warn_unused_result, returns_nonnull));

#endif
