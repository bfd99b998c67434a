/* SPDX-License-Identifier: MIT */
/*
 * Shared libraries that are loaded when they are needed. A library that the tools were linked with would be loaded at
 * each start, with those that it brings along: for libnbd (GnuTLS, libxml2) that takes 4 ms, for libqcow (zlib) 0.3 ms,
 * and all that `mplcr-chain verify` does for a chain takes less.
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
