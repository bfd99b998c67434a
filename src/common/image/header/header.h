/* SPDX-License-Identifier: MIT */
/*
 * What the header of a disk image says, read from the image alone, without QEMU: qcow2 versions 2 and 3 in full (QEMU
 * docs/interop/qcow2.txt), other formats by their magic numbers, all else raw. Every byte is hostile: nothing is
 * allocated or read by a number from the file that was not checked first; what cannot be is a fault in words.
 */
#ifndef MPLCR_IMAGE_HEADER_H
#define MPLCR_IMAGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Formats, named as QEMU names its drivers: see image_format_name. */
enum image_format {
	IMAGE_RAW,
	IMAGE_QCOW2, /* versions 2 and 3 */
	IMAGE_QCOW,  /* version 1 */
	IMAGE_QED,
	IMAGE_VMDK,
	IMAGE_VDI,
	IMAGE_VHDX,
	IMAGE_VPC,
	IMAGE_PARALLELS,
	IMAGE_LUKS,
	IMAGE_BOCHS,
	IMAGE_CLOOP,
	IMAGE_DMG,
};

/* Feature bits of qcow2 (QEMU docs/interop/qcow2.txt, "Feature bits"). */
#define QCOW2_INCOMPATIBLE_DIRTY 0x1
#define QCOW2_INCOMPATIBLE_CORRUPT 0x2
#define QCOW2_INCOMPATIBLE_DATA_FILE 0x4
#define QCOW2_INCOMPATIBLE_COMPRESSION 0x8
#define QCOW2_INCOMPATIBLE_EXTENDED_L2 0x10
#define QCOW2_INCOMPATIBLE_KNOWN 0x1f /* all of them: QEMU opens no image that has another */
#define QCOW2_COMPATIBLE_LAZY_REFCOUNTS 0x1
#define QCOW2_AUTOCLEAR_BITMAPS 0x1
#define QCOW2_AUTOCLEAR_DATA_FILE_RAW 0x2

enum image_encryption { IMAGE_NOT_ENCRYPTED, IMAGE_ENCRYPTED_AES, IMAGE_ENCRYPTED_LUKS };

struct image_header {
	enum image_format format;
	char fault[200];       /* why the header is bad, or ""; then the members below may be zero */
	bool truncated;        /* the fault is that the file ends too early */
	uint64_t file_size;    /* bytes */
	uint64_t virtual_size; /* bytes that a guest sees; of qcow2, qcow, qed and raw, else 0 */
	char *backing_name;    /* as it is written, or NULL; of qcow2, qcow and qed */
	char *backing_format;  /* as it is recorded, or NULL */

	/* qcow2 only */
	unsigned version;       /* 2 or 3 */
	unsigned header_length; /* bytes */
	unsigned cluster_bits;
	unsigned refcount_bits;
	uint64_t incompatible, compatible, autoclear; /* feature bits */
	enum image_encryption encryption;
	uint64_t encryption_offset; /* of the LUKS header */
	unsigned compression;       /* 0 zlib, 1 zstd */
	uint64_t l1_offset, refcount_offset, snapshots_offset;
	uint32_t l1_entries, refcount_clusters;
	uint32_t n_snapshots; /* internal snapshots */
	uint32_t n_bitmaps;
	char *data_file;     /* external data file as it is written, or NULL */
	char *feature_names; /* unknown features that are set and named in the header, ", " separated, or NULL */
};

/*
 * Reads the header of the open regular file `fd`, wherever that stands (pread). Returns 0, also for a bad header (see
 * `fault`), or -1 where the file cannot be read. To be released in any case.
 */
int image_header_read(int fd, struct image_header *h, struct err *e) __attribute__((warn_unused_result));

#define IMAGE_HEAD_BYTES 1024 /* which nearly always hold all that is read of a header */

/*
 * The same of a file of `size` bytes whose first `n`, at most IMAGE_HEAD_BYTES, are at `head`; what is behind them is
 * read from `fd` where it is needed.
 */
void image_header_parse(int fd, uint64_t size, const uint8_t *head, size_t n, struct image_header *h);

/*
 * Looks whether the qcow2 image counts clusters as used that are behind the end of the file, as one does that was
 * copied or downloaded in part; then it sets `fault` and `truncated`. A VM that writes to the image may be about to
 * extend it: not for such. Two more small reads.
 */
void image_header_check_end(int fd, struct image_header *h);

void image_header_release(struct image_header *h);

/* QEMU's name of a format; and back: -1 where there is none such. */
const char *image_format_name(enum image_format format);
int image_format_named(const char *name);

#endif
