/* SPDX-License-Identifier: MIT */
#include "base/array.h"

#include <string.h>

#include "base/memory.h"

void *array_with_room(void *list, size_t n, size_t size)
{
	if ((n & (n - 1)) == 0) /* 0, 1, 2, 4, …: full */
		list = memory_resize(list, n ? 2 * n : 1, size);
	memset((char *)list + n * size, 0, size);
	return list;
}
