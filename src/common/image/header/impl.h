/* SPDX-License-Identifier: MIT */
/* The parts of image_header_read (image_header.h); private to them. */
#ifndef MPLCR_IMAGE_HEADER_IMPL_H
#define MPLCR_IMAGE_HEADER_IMPL_H

#include "base/byteorder.h"
#include "image/header/header.h"

#define IMAGE_NAME_MAX 1023 /* bytes of a backing file's name (QEMU docs/interop/qcow2.txt) */

/* An image that is being read: its beginning, which is nearly always enough, and the rest on request. */
struct image_source {
	int fd;
	uint64_t size; /* bytes of the file */
	const uint8_t *head;
	size_t head_length;
};

/* Notes the first fault of the header. Always returns -1. */
int image_fault(struct image_header *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for what lies behind the end of the file. */
int image_truncated(struct image_header *h, const char *what);

/* Copies `length` bytes at `offset`; `what` they are, for the fault where the file ends before. Returns 0 or -1. */
int image_bytes(const struct image_source *s, struct image_header *h, uint64_t offset, void *to, size_t length,
		const char *what) __attribute__((warn_unused_result));

/* Those bytes as text: malloc'd; NULL, with a fault, where there is a NUL among them or the file ends before. */
char *image_text(const struct image_source *s, struct image_header *h, uint64_t offset, size_t length,
		 const char *what);

/* Each reads one format into *h, whose `format` and `file_size` are set. Faults are noted in *h. */
void image_qcow2_read(const struct image_source *s, struct image_header *h);
void image_qcow_read(const struct image_source *s, struct image_header *h);
void image_qed_read(const struct image_source *s, struct image_header *h);

/* The header extensions of a qcow2 image, between `from` and `end` (in the first cluster). Returns 0 or -1. */
int image_qcow2_read_extensions(const struct image_source *s, struct image_header *h, uint64_t from, uint64_t end)
	__attribute__((warn_unused_result));

/* Whether a table lies in the file, on a cluster's border, and is no larger than `max` bytes. Returns 0 or -1. */
int image_qcow2_check_table(struct image_header *h, uint64_t offset, uint64_t entries, uint64_t entry_bytes,
			    uint64_t max, const char *what) __attribute__((warn_unused_result));

/* The entries of the lists of snapshots, and of bitmaps, whose places were checked already. Return 0 or -1. */
int image_qcow2_check_snapshots(const struct image_source *s, struct image_header *h)
	__attribute__((warn_unused_result));
int image_qcow2_check_bitmaps(const struct image_source *s, struct image_header *h, uint64_t offset, uint64_t size)
	__attribute__((warn_unused_result));

/* The format by the beginning of the file, or, of those that are told by that, its end. */
enum image_format image_probe(const struct image_source *s);

#endif
