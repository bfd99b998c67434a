/* SPDX-License-Identifier: MIT */
/*
 * Another name for the backing file in the header of an image, as a few bytes that are to stand in the place of others: for
 * copies that are written, or only sent, without qemu-img and without a second copy.
 *
 * In qcow2 (QEMU docs/interop/qcow2.txt) the header has the offset of the name at byte 8, u64, and its length at byte 16,
 * u32, both big-endian. The name lies in the first cluster, behind everything else there, so it may become longer: what
 * follows it up to the end of the cluster is zeros.
 */
#ifndef MPLCR_IMAGE_PATCH_H
#define MPLCR_IMAGE_PATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { IMAGE_PATCH_MAX = 1023 }; /* bytes of a name */

/* The length, and the name with zeros behind it where it is shorter than the old one. */
struct image_patch {
	uint64_t offset; /* of the name; 0: nothing is to be changed */
	size_t length;
	uint8_t size[4];
	uint8_t name[IMAGE_PATCH_MAX];
};

/*
 * What makes the qcow2 image `fd` name `backing` as its backing file; it names one by now. Returns 0, or -1 where its
 * header has no room for that.
 */
int image_patch_backing(int fd, const char *backing, struct image_patch *p, struct err *e)
	__attribute__((warn_unused_result));

/* Puts it into the `n` bytes at `buf`, which are those of the image from `at` on. */
void image_patch_apply(const struct image_patch *p, void *buf, size_t n, uint64_t at);

/* Writes it into the image `fd`. Returns 0, or -1 with errno. */
int image_patch_write(const struct image_patch *p, int fd) __attribute__((warn_unused_result));

/* The end of the last byte that it changes; 0: none. */
uint64_t image_patch_end(const struct image_patch *p);

#endif
