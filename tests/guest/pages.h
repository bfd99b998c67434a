/* SPDX-License-Identifier: MIT */
/*
 * The memory half of the oracle.
 *
 * Every page can be judged on its own: it carries its number, its generation and a checksum, and its content follows
 * from these.  And every page can be judged against the rest of memory: the pages are rewritten round after round in one
 * fixed, spread order, so two numbers (round, position in the order) say for each page which generation it must have.  A
 * page that is whole but old, as a write lost by a migration leaves it, is therefore as wrong as a damaged one.
 */
#ifndef GUEST_PAGES_H
#define GUEST_PAGES_H

#include "heap.h"

#include <stdint.h>

#define PAGE_MAGIC   0x4d504c43u        /* "CLPM" in memory */
#define PAGE_WORDS   (PAGE_SIZE / 4 - 4)

/* As it lies in guest memory, little-endian: what a test that looks into saved memory may rely on. */
struct page {
    uint32_t magic;
    uint32_t number;
    uint32_t generation;
    uint32_t checksum;                  /* sum of the content */
    uint32_t content[PAGE_WORDS];
};

/*
 * Writes generation 1 of all pages: `working_set` bytes that are going to be rewritten, then `fill` bytes that are only
 * checked.  `memory_end` is the first address that is not RAM.
 */
void pages_start(uint32_t working_set, uint32_t fill, uint32_t memory_end);

/* Rewrites the next `bytes` of the working set (fractions of a page are kept for later), each page checked before. */
void pages_rewrite(uint32_t bytes);

/* Checks the next page in rotation; one in eight is a fill page.  Returns the bytes checked, 0 if there are no pages. */
uint32_t pages_check_next(void);

/* Faults for the tests of the oracle. */
void pages_damage_one(void);
void pages_skip_one_rewrite(void);

#endif
