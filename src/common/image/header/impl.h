/* SPDX-License-Identifier: MIT */
/* The parts of image_header_read (image_header.h); private to them. */
#ifndef MPLCR_IMAGE_HEADER_IMPL_H
#define MPLCR_IMAGE_HEADER_IMPL_H

#include "base/byteorder.h"
#include "image/header/header.h"

#define IMAGE_NAME_MAX 1023 /* bytes of a backing file's name (QEMU docs/interop/qcow2.txt) */

/* An image being read: its beginning, which is nearly always enough, and the rest on demand. */
struct image_source {
	int fd;
	uint64_t size; /* bytes of the file */
	const uint8_t *head;
	size_t head_length;
};

/* Notes the first fault of the header. Always returns -1. */
int image_fault(struct image_header *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for something past the end of the file. */
int image_truncated(struct image_header *h, const char *what);

/* Copies `length` bytes at `offset`; `what` names them in the fault if the file is too short. Returns 0 or -1. */
int image_bytes(const struct image_source *s, struct image_header *h, uint64_t offset, void *to, size_t length,
		const char *what) __attribute__((warn_unused_result));

/* The same as malloc'd text; NULL, with a fault, if it contains a NUL or the file is too short. */
char *image_text(const struct image_source *s, struct image_header *h, uint64_t offset, size_t length,
		 const char *what);

/* Each reads one format into *h, whose `format` and `file_size` are set. Faults are noted in *h. */
void image_qcow2_read(const struct image_source *s, struct image_header *h);
void image_qcow_read(const struct image_source *s, struct image_header *h);
void image_qed_read(const struct image_source *s, struct image_header *h);

/* The header extensions of a qcow2 image, between `from` and `end` (in the first cluster). Returns 0 or -1. */
int image_qcow2_read_extensions(const struct image_source *s, struct image_header *h, uint64_t from, uint64_t end)
	__attribute__((warn_unused_result));

/* Checks that a table lies in the file, on a cluster boundary, and has at most `max` bytes. Returns 0 or -1. */
int image_qcow2_check_table(struct image_header *h, uint64_t offset, uint64_t entries, uint64_t entry_bytes,
			    uint64_t max, const char *what) __attribute__((warn_unused_result));

/* Check the entries of the snapshot and bitmap lists, whose position was checked before. Return 0 or -1. */
int image_qcow2_check_snapshots(const struct image_source *s, struct image_header *h)
	__attribute__((warn_unused_result));
int image_qcow2_check_bitmaps(const struct image_source *s, struct image_header *h, uint64_t offset, uint64_t size)
	__attribute__((warn_unused_result));

/* The format by the beginning of the file or, for formats that have a footer, by its end. */
enum image_format image_probe(const struct image_source *s);

#endif
