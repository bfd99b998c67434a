/* SPDX-License-Identifier: MIT */
/*
 * Memory for drivers: zeroed, page-aligned, never given back.  It lies between the program and the checked pages.
 */
#ifndef GUEST_HEAP_H
#define GUEST_HEAP_H

#include <stddef.h>

#define PAGE_SIZE  4096u
#define HEAP_END   0x1000000u   /* 16 MiB: the checked pages begin here */

void *heap_take(size_t bytes);

#endif
