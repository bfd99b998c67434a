/* SPDX-License-Identifier: MIT */
/*
 * The two functions that gcc calls behind our back in freestanding code.
 */
#include <stddef.h>

void *memset(void *to, int byte, size_t length);
void *memcpy(void *restrict to, const void *restrict from, size_t length);

void *memset(void *to, int byte, size_t length)
{
    void *p = to;

    __asm__ volatile("rep stosb" : "+D"(p), "+c"(length) : "a"(byte) : "memory");
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    void *p = to;

    __asm__ volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(length) : : "memory");
    return to;
}
