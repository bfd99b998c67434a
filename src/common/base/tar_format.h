/* SPDX-License-Identifier: MIT */
/* The header of a member (pax(1), "ustar Interchange Format"), for tar_write.c and tar_read.c. Numbers are octal text. */
#ifndef MPLCR_TAR_FORMAT_H
#define MPLCR_TAR_FORMAT_H

#include <stdint.h>
#include <string.h>

#define TAR_BLOCK 512
#define TAR_FILE '0'
#define TAR_EXTENDED 'x'

/* The largest number in `size`. */
#define TAR_MAX_OCTAL 077777777777

#define TAR_MAJOR "GNU.sparse.major"
#define TAR_MINOR "GNU.sparse.minor"
#define TAR_NAME "GNU.sparse.name"
#define TAR_SIZE "GNU.sparse.realsize"

struct tar_header {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char sum[8]; /* of the bytes of the header, with spaces here */
	char type;
	char link[100];
	char magic[6], version[2];
	char user[32], group[32];
	char major[8], minor[8];
	char prefix[155];
	char unused[12];
};

_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is a block");

static inline unsigned tar_sum(const struct tar_header *h)
{
	struct tar_header copy = *h;
	const uint8_t *bytes = (const uint8_t *)&copy;
	unsigned sum = 0;

	memset(copy.sum, ' ', sizeof(copy.sum));
	for (size_t i = 0; i < sizeof(copy); i++)
		sum += bytes[i];
	return sum;
}

/* How many bytes are missing to a whole block. */
static inline size_t tar_pad(uint64_t n)
{
	return (size_t)(-n % TAR_BLOCK);
}

#endif
