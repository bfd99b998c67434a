/* SPDX-License-Identifier: MIT */
/*
 * The words of the guest's command line (QEMU's -append):
 *
 *   ws=SIZE     working set: pages that are rewritten and checked (default 16M, may be 0)
 *   rate=SIZE   bytes per second to rewrite (default 4M, 0 = none)
 *   fill=SIZE   memory beyond the working set, written once, checked slowly (default 0)
 *   check=SIZE  bytes per second to check, at most what fits into the pauses (default 64M)
 *   step=MS     pause between two steps (default 10)
 *   fault=KIND:STEP  a fault for the guest to make at that step, for the tests of the oracle itself:
 *               page   one page changes silently
 *               stale  one page is left at its old generation, as a lost write leaves it
 *               lost   the step's record is not written to the last disk
 *               swap   from this step on, the first and the last disk change places
 *
 * SIZE takes K, M or G.
 */
#ifndef GUEST_OPTIONS_H
#define GUEST_OPTIONS_H

#include <stdint.h>

enum fault { FAULT_NONE, FAULT_PAGE, FAULT_STALE, FAULT_LOST, FAULT_SWAP };

struct options {
    uint32_t working_set, rate, fill, check;    /* bytes, bytes per second */
    uint32_t step_ms;
    enum fault fault;
    uint32_t fault_step;
};

/* Reads the words; an unknown or malformed one stops the guest with an ERROR line: a typo must not weaken a test. */
struct options options_parse(const char *words);

#endif
