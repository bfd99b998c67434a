/* SPDX-License-Identifier: MIT */
#include "pages.h"
#include "serial.h"

#include <stdbool.h>
#include <stddef.h>

#define GOLDEN 0x9e3779b9u      /* 2^32 / golden ratio: steps that spread well */

_Static_assert(sizeof(struct page) == PAGE_SIZE, "a page is a page");

/* A place in the spread order: the position counts 0, 1, 2, …; the page number jumps about. */
struct cursor {
    uint32_t position;
    uint32_t number;
};

static struct page *const pages = (struct page *)HEAP_END;
static uint32_t n_working, n_fill;
static uint32_t stride;

static uint32_t round = 1;              /* generation of the pages that this round has not rewritten yet */
static struct cursor write_at, check_at;
static uint32_t check_fill_at;

static uint32_t content_seed(uint32_t number, uint32_t generation)
{
    uint32_t seed = number * 0x85ebca6bu ^ generation * 0xc2b2ae35u;

    return (seed ^ seed >> 15) * 0x2c1b3c6du;
}

static void write_page(uint32_t number, uint32_t generation)
{
    struct page *page = &pages[number];
    uint32_t seed = content_seed(number, generation), sum = 0;

    page->magic = PAGE_MAGIC;
    page->number = number;
    page->generation = generation;
#pragma GCC unroll 12
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        page->content[i] = seed + (uint32_t)i * GOLDEN;
        sum += seed + (uint32_t)i * GOLDEN;
    }
    page->checksum = sum;
}

/* The content is compared word by word, which is stricter than its checksum; that one is for readers from outside. */
static void check_page(uint32_t number, uint32_t generation)
{
    const struct page *page = &pages[number];
    uint32_t seed = content_seed(number, generation);
    uint32_t sum = 0, difference = 0;

#pragma GCC unroll 12
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        difference |= page->content[i] ^ (seed + (uint32_t)i * GOLDEN);
        sum += page->content[i];
    }
    if (difference || page->magic != PAGE_MAGIC || page->number != number || page->generation != generation ||
        page->checksum != sum)
        serial_halt("CORRUPT page=%u at=%x generation=%u, found number=%u generation=%u content=%s checksum=%s\n",
                    number, (uint32_t)page, generation, page->number, page->generation,
                    difference ? "wrong" : "right", page->checksum != sum ? "wrong" : "right");
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Moves on in the spread order; true when a round is complete. */
static bool cursor_advance(struct cursor *c)
{
    c->number += stride;
    if (c->number >= n_working)
        c->number -= n_working;
    if (++c->position < n_working)
        return false;
    *c = (struct cursor){0, 0};
    return true;
}

static uint32_t generation_at(const struct cursor *c)
{
    return c->position < write_at.position ? round + 1 : round;
}

static void write_advance(void)
{
    if (cursor_advance(&write_at))
        round++;
}

void pages_start(uint32_t working_set, uint32_t fill, uint32_t memory_end)
{
    uint32_t room = (memory_end - HEAP_END) / PAGE_SIZE;

    n_working = working_set / PAGE_SIZE;
    n_fill = fill / PAGE_SIZE;
    if (memory_end < HEAP_END || n_working > room || n_fill > room - n_working)
        serial_halt("ERROR ws and fill exceed the memory below %x\n", memory_end);

    stride = n_working / 8 * 5 + 1;
    while (common_divisor(n_working, stride) > 1)
        stride++;
    if (stride >= n_working)
        stride = 1;

    for (uint32_t number = 0; number < n_working + n_fill; number++)
        write_page(number, round);
}

void pages_rewrite(uint32_t bytes)
{
    static uint32_t owed;

    if (!n_working)
        return;
    for (owed += bytes; owed >= PAGE_SIZE; owed -= PAGE_SIZE) {
        check_page(write_at.number, round);
        write_page(write_at.number, round + 1);
        write_advance();
    }
}

uint32_t pages_check_next(void)
{
    static uint32_t turn;

    if (n_fill && (turn++ % 8 == 0 || !n_working)) {
        check_page(n_working + check_fill_at, 1);
        check_fill_at = (check_fill_at + 1) % n_fill;
        return PAGE_SIZE;
    }
    if (!n_working)
        return 0;
    check_page(check_at.number, generation_at(&check_at));
    cursor_advance(&check_at);
    return PAGE_SIZE;
}

void pages_damage_one(void)
{
    if (n_working)
        pages[n_working / 2].content[PAGE_WORDS / 2] ^= 0x00010000;
}

void pages_skip_one_rewrite(void)
{
    if (n_working)
        write_advance();
}
