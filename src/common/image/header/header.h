/* SPDX-License-Identifier: MIT */
/*
 * Reads the header of a disk image without QEMU: qcow2 versions 2 and 3 in full (QEMU docs/interop/qcow2.txt), other
 * formats by their magic numbers; anything else is raw. Every byte is hostile: every number from the file is checked
 * before it sizes an allocation or a read. A header that is wrong gets a fault, in words.
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
#define QCOW2_INCOMPATIBLE_KNOWN 0x1f /* all of them: QEMU refuses images with any other */
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
	char *backing_name;    /* as recorded, or NULL; of qcow2, qcow and qed */
	char *backing_format;  /* as recorded, or NULL */

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
	char *data_file;     /* external data file as recorded, or NULL */
	char *feature_names; /* unknown features that are set and named in the header, ", " separated, or NULL */
};

/*
 * Reads the header of the open regular file `fd`, whatever its offset (pread). Returns 0, also for a bad header (see
 * `fault`), or -1 if the file cannot be read. Release *h in any case.
 */
int image_header_read(int fd, struct image_header *h, struct err *e) __attribute__((warn_unused_result));

#define IMAGE_HEAD_BYTES 1024 /* nearly always enough for the whole header */

/*
 * The same for a file of `size` bytes whose first `n`, at most IMAGE_HEAD_BYTES, are at `head`; reads more from `fd` as
 * needed.
 */
void image_header_parse(int fd, uint64_t size, const uint8_t *head, size_t n, struct image_header *h);

/*
 * Checks whether the qcow2 image counts clusters past the end of the file as used, as a partial copy or download does,
 * and then sets `fault` and `truncated`. Not for an image that a VM is writing to and may be about to extend. Costs two
 * more small reads.
 */
void image_header_check_end(int fd, struct image_header *h);

void image_header_release(struct image_header *h);

/* QEMU's name of a format, and the format of a name: -1 if QEMU has none of that name. */
const char *image_format_name(enum image_format format);
int image_format_named(const char *name);

#endif
