/* SPDX-License-Identifier: MIT */
/*
 * What a guest reads from an image and all that it stands on: read with QEMU's own code, served by qemu-nbd, since that
 * alone knows every format. The adapter around libnbd, which is loaded when it is first needed.
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
