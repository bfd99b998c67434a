/* SPDX-License-Identifier: MIT */
#include "heap.h"
#include "serial.h"

#include <stdint.h>

extern char guest_end[];        /* guest.ld */

void *heap_take(size_t bytes)
{
    static char *next = guest_end;
    char *taken = next;

    bytes = (bytes + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
    if (bytes > HEAP_END - (uintptr_t)taken)
        serial_halt("ERROR heap is full\n");
    next += bytes;
    __builtin_memset(taken, 0, bytes);
    return taken;
}
