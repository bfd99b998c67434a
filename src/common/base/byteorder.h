/* SPDX-License-Identifier: MIT */
/* Numbers in a file or a stream: unaligned, big-endian (qcow2, QEMU's migration stream) or little-endian. */
#ifndef MPLCR_BYTEORDER_H
#define MPLCR_BYTEORDER_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t be16_at(const void *p)
{
	uint16_t n;

	memcpy(&n, p, sizeof(n));
	return be16toh(n);
}

static inline uint32_t be32_at(const void *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return be32toh(n);
}

static inline uint64_t be64_at(const void *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return be64toh(n);
}

static inline uint32_t le32_at(const void *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return le32toh(n);
}

static inline uint64_t le64_at(const void *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return le64toh(n);
}

#endif
