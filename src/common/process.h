/* SPDX-License-Identifier: MIT */
/* Helper programs that are run to their end: qemu-img. */
#ifndef MPLCR_PROCESS_H
#define MPLCR_PROCESS_H

#include "err.h"

/*
 * Runs argv[0] (looked up in PATH) with the arguments, standard input and output on /dev/null, and waits for it. Returns
 * 0, or -1 with what the program said on standard error (its first 500 bytes).
 */
int process_run(const char *const argv[], struct err *e) __attribute__((warn_unused_result));

#endif
