/* SPDX-License-Identifier: MIT */
/*
 * Time, as ticks of the programmable interval timer.  The tick counter lives in memory and stands still while the VM is
 * stopped, so a stop, a migration or a restore is no jump in time.  Between ticks the CPU halts: an idle guest leaves the
 * host's cores to the QEMU threads that the tests measure.
 */
#ifndef GUEST_CLOCK_H
#define GUEST_CLOCK_H

#include <stdint.h>

#define CLOCK_HZ 500u

/* Takes over the interrupt table: the timer ticks, every CPU exception is reported on the serial line as CORRUPT. */
void clock_start(void);

/* Ticks since the start; wraps after 99 days. */
uint32_t clock_now(void);

/* Whether `end`, a tick count, has been reached. */
static inline int clock_reached(uint32_t end)
{
    return (int32_t)(clock_now() - end) >= 0;
}

void clock_sleep_until(uint32_t end);

#endif
