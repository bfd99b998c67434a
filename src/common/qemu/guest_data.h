/* SPDX-License-Identifier: MIT */
/*
 * Reads an image as a guest does, through its whole chain, with QEMU's own code, since only that knows every format:
 * qemu-nbd serves it. Wraps libnbd, which is loaded when first needed.
 *
 * The sum of guest data is XXH3-128 of all bytes of the disk, from the first to the last, those that were never written
 * as zeros: it depends neither on the format nor on what is allocated where, and is what
 * `qemu-img convert -O raw IMAGE DISK; xxhsum -H2 DISK` prints.
 */
#ifndef MPLCR_GUEST_DATA_H
#define MPLCR_GUEST_DATA_H

#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"

struct guest_data_limits {
	int64_t deadline; /* CLOCK_NEVER: none */
	uint64_t memory;  /* bytes of address space of qemu-nbd, 0: no limit */
	int interrupt;    /* a descriptor that ends it when it is readable, or -1 */
};

/*
 * The sum of the guest data of the image at `path`, which is opened as `format` ("qcow2"), the ones below it as their
 * headers say: its chain must be known to be whole. No lock is taken, so that no VM is kept from starting; the caller
 * sees to it that nobody writes to the images. Returns 0 or -1.
 */
int guest_data_digest(const char *path, const char *format, const struct guest_data_limits *limits,
		      char hex[DIGEST_HEX], struct err *e) __attribute__((warn_unused_result));

#endif
