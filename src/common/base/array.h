/* SPDX-License-Identifier: MIT */
/*
 * Growing lists: a pointer, NULL at first, and a number of elements beside it. No capacity is stored: the list always
 * has room for the next power of two, so only array_add may grow it. Free it with free().
 */
#ifndef MPLCR_ARRAY_H
#define MPLCR_ARRAY_H

#include <stddef.h>

/*
 * Adds one zeroed element to `list`, which has `n`, and counts it. Returns a pointer to it, valid until the next add.
 */
#define array_add(list, n) ((list) = array_with_room((list), (n), sizeof(*(list))), &(list)[(n)++])

/*
 * `list` of `n` elements of `size` bytes with room for one more, zeroed. Ends the process when memory is out
 * (memory.h).
 */
void *array_with_room(void *list, size_t n, size_t size) __attribute__((warn_unused_result, returns_nonnull));

#endif
