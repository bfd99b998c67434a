/* SPDX-License-Identifier: MIT */
/*
 * Files of QEMU's migration capability mapped-ram (9.0 and later), in which each page has its place. They are turned into
 * ordinary streams (stream.h).
 *
 * Such a file begins as a stream does, with the configuration's subsection `configuration/capabilities` (u32 number, then u8
 * length and name of each), which names mapped-ram. In the START section of `ram`, each block's name and length are
 * followed by: u32 version 1, u64 page size, u64 offset of a bitmap, u64 offset of the pages, both in the file. The bitmap
 * has a bit for each page that is there, lowest bit first. The entry of the next block, or behind the last one the end of
 * the section, lies behind the block's pages. Then come sections of `ram` without pages, and the devices.
 *
 * A background snapshot leaves all bitmaps empty (measured: QEMU 10.0, 11.1): then all that is no hole is there.
 */
#ifndef MPLCR_STATE_MAPPED_H
#define MPLCR_STATE_MAPPED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Whether what begins at `base` of the file is such a stream. */
bool mapped_is(int file, uint64_t base);

/* Writes it to `to` as an ordinary stream. Returns 0, or -1 with e->sys; SIGPIPE is the caller's matter. */
int mapped_write(int file, uint64_t base, int to, struct err *e) __attribute__((warn_unused_result));

#endif
