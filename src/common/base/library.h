/* SPDX-License-Identifier: MIT */
/*
 * Loads shared libraries when they are first needed. Linking with them would load them, and their dependencies, at each
 * start: that takes 4 ms for libnbd (GnuTLS, libxml2) and 0.3 ms for libqcow (zlib), longer than all the work of
 * `mplcr-chain verify` on a chain.
 */
#ifndef MPLCR_LIBRARY_H
#define MPLCR_LIBRARY_H

#include <stddef.h>

#include "base/err.h"

/*
 * Loads `file` ("libnbd.so.0": with the version of its interface), and puts the functions of those `n` names into
 * `functions`: a struct of `n` pointers to functions, in the same order. The library stays until the process ends.
 * Returns 0 or -1.
 */
int library_load(const char *file, const char *const names[], size_t n, void *functions, struct err *e)
	__attribute__((warn_unused_result));

#endif
