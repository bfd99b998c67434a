/* SPDX-License-Identifier: MIT */
/*
 * Predicts pauses. The figures are measured: background costs QEMU about 10 ms per GiB to pre-fault memory and up to 25
 * ms per populated GiB to write-protect it; precopy costs about 20 ms plus the rest of memory when it meets its tight
 * limit.
 */
#ifndef TRIGGER_PREDICT_H
#define TRIGGER_PREDICT_H

#include <stdint.h>

#define GIB (1024.0 * 1024 * 1024)
#define MIB (1024.0 * 1024)

/* Stop, disks and device state, for any engine, ms. */
#define FIXED_MS 8.0

/* The pause of precopy at its best, ms. */
#define PRECOPY_BEST_MS 20.0

struct options;

/* Bytes per second at which the state is written: the user's limit, or a usual rate. */
double predict_bandwidth(const struct options *o);

/* Expected pauses in ms of background and precopy; bytes, bytes per second. */
double predict_background_ms(uint64_t memory, uint64_t populated);
double predict_precopy_ms(uint64_t populated, double dirty_rate, double bandwidth, uint64_t passes);

#endif
