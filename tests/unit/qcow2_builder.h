/* SPDX-License-Identifier: MIT */
/* Small qcow2 images for tests: a sound one, of which single fields are then set otherwise. */
#ifndef MPLCR_QCOW2_BUILDER_H
#define MPLCR_QCOW2_BUILDER_H

#include <stdint.h>
#include <string.h>

#define BUILT_CLUSTER 65536
#define BUILT_BYTES (5 * BUILT_CLUSTER) /* header, refcount table and block, L1 table, an empty cluster */

/* Where fields are in the header (QEMU docs/interop/qcow2.txt). */
enum {
	AT_VERSION = 4,
	AT_BACKING_OFFSET = 8,
	AT_BACKING_SIZE = 16,
	AT_CLUSTER_BITS = 20,
	AT_SIZE = 24,
	AT_CRYPT = 32,
	AT_L1_ENTRIES = 36,
	AT_L1_OFFSET = 40,
	AT_REFCOUNT_OFFSET = 48,
	AT_REFCOUNT_CLUSTERS = 56,
	AT_SNAPSHOTS = 60,
	AT_SNAPSHOTS_OFFSET = 64,
	AT_INCOMPATIBLE = 72,
	AT_COMPATIBLE = 80,
	AT_AUTOCLEAR = 88,
	AT_REFCOUNT_ORDER = 96,
	AT_HEADER_LENGTH = 100,
	AT_COMPRESSION = 104,
	AT_EXTENSIONS = 112,
};

static inline void put32(uint8_t *image, size_t at, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		image[at + (size_t)i] = (uint8_t)(n >> (24 - 8 * i));
}

static inline void put64(uint8_t *image, size_t at, uint64_t n)
{
	put32(image, at, (uint32_t)(n >> 32));
	put32(image, at + 4, (uint32_t)n);
}

/* Appends a header extension at *at. */
static inline void put_extension(uint8_t *image, size_t *at, uint32_t type, const void *data, uint32_t length)
{
	put32(image, *at, type);
	put32(image, *at + 4, length);
	memcpy(image + *at + 8, data, length);
	*at += 8 + (length + 7) / 8 * 8;
}

/* A sound version 3 image of a disk of 1 MiB. */
static inline void build_qcow2(uint8_t image[BUILT_BYTES])
{
	memset(image, 0, BUILT_BYTES);
	memcpy(image, "QFI\xfb", 4);
	put32(image, AT_VERSION, 3);
	put32(image, AT_CLUSTER_BITS, 16);
	put64(image, AT_SIZE, 1 << 20);
	put32(image, AT_L1_ENTRIES, 1);
	put64(image, AT_L1_OFFSET, 3 * BUILT_CLUSTER);
	put64(image, AT_REFCOUNT_OFFSET, BUILT_CLUSTER);
	put32(image, AT_REFCOUNT_CLUSTERS, 1);
	put32(image, AT_REFCOUNT_ORDER, 4);
	put32(image, AT_HEADER_LENGTH, 112);
	put64(image, BUILT_CLUSTER, 2 * BUILT_CLUSTER);
	for (int i = 0; i < 4; i++)
		image[2 * BUILT_CLUSTER + 2 * i + 1] = 1;
}

/* Puts a backing file's name, and the format where there is one, behind the header. */
static inline void build_backing(uint8_t *image, const char *name, const char *format)
{
	size_t at = AT_EXTENSIONS;

	if (format)
		put_extension(image, &at, 0xe2792aca, format, (uint32_t)strlen(format));
	at += 8;
	put64(image, AT_BACKING_OFFSET, at);
	put32(image, AT_BACKING_SIZE, (uint32_t)strlen(name));
	memcpy(image + at, name, strlen(name));
}

#endif
