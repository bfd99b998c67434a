/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void *memory_checked(void *p)
{
	if (!p) {
		fputs("mplcr: out of memory\n", stderr);
		exit(EXIT_FAILED);
	}
	return p;
}

void *memory_of(size_t count, size_t size)
{
	return memory_checked(calloc(count ? count : 1, size));
}

void *memory_resize(void *p, size_t count, size_t size)
{
	return memory_checked(reallocarray(p, count ? count : 1, size));
}

bool memory_is_zero(const void *bytes, size_t n)
{
	const char *first = bytes;

	return n == 0 || (first[0] == 0 && memcmp(first, first + 1, n - 1) == 0);
}
