/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

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
