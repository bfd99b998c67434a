/* SPDX-License-Identifier: MIT */
/* Images of qcow2_builder.h as files, written in microseconds: thousands of them make a chain or a forest. */
#ifndef MPLCR_IMAGE_BUILDER_H
#define MPLCR_IMAGE_BUILDER_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "qcow2_builder.h"

/* Writes it over what is there, the last cluster left out, which is empty. Ends the process where it cannot. */
static inline void image_write(const char *path, const uint8_t *image)
{
	enum { PART = 4096, CLUSTERS = BUILT_BYTES / BUILT_CLUSTER - 1 };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	bool written = fd >= 0 && ftruncate(fd, CLUSTERS * BUILT_CLUSTER) == 0;

	for (off_t at = 0; written && at < CLUSTERS * BUILT_CLUSTER; at += BUILT_CLUSTER)
		written = pwrite(fd, image + at, PART, at) == PART; /* the rest of each is empty */
	if (!written || close(fd) < 0) {
		perror(path);
		abort();
	}
}

/* An empty overlay on `backing`; or, where that is NULL, an empty image. */
static inline void image_build(const char *path, const char *backing, const char *format)
{
	static uint8_t image[BUILT_BYTES];

	build_qcow2(image);
	if (backing)
		build_backing(image, backing, format);
	image_write(path, image);
}

#endif
