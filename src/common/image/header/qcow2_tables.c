/* SPDX-License-Identifier: MIT */
/*
 * image_header.h: the lists in a qcow2 image that are not part of its header: snapshots and bitmaps. Each entry gives
 * its own length, so only a walk through all of them shows whether the list ends inside the file (QEMU
 * docs/interop/qcow2.txt; block/qcow2-snapshot.c, qcow2_do_read_snapshots; block/qcow2-bitmap.c, bitmap_list_load).
 */
#include <string.h>

#include "image/header/impl.h"

enum {
	SNAPSHOT_BYTES = 40,       /* of an entry, before its extra data, id and name */
	SNAPSHOT_MAX_EXTRA = 1024, /* bytes */
	BITMAP_BYTES = 24,         /* of an entry, before its extra data and name */
	BITMAP_MAX_NAME = 1023,    /* bytes */
	BITMAP_TYPE = 1,           /* the only one: of dirty sectors */
	MIN_GRANULARITY_BITS = 9,
	MAX_GRANULARITY_BITS = 31,
};

static uint64_t aligned(uint64_t offset)
{
	return (offset + 7) / 8 * 8;
}

int image_qcow2_check_snapshots(const struct image_source *s, struct image_header *h)
{
	uint64_t at = h->snapshots_offset;
	uint8_t entry[SNAPSHOT_BYTES];

	for (uint32_t i = 0; i < h->n_snapshots; i++) {
		uint32_t extra;

		at = aligned(at);
		if (image_bytes(s, h, at, entry, sizeof(entry), "the table of snapshots") < 0)
			return -1;
		extra = be32_at(entry + 36);
		if (extra > SNAPSHOT_MAX_EXTRA)
			return image_fault(h, "snapshot %u has %u bytes of extra data", i, extra);
		at += sizeof(entry) + extra + be16_at(entry + 12) + be16_at(entry + 14);
	}
	return at > h->file_size ? image_truncated(h, "the table of snapshots") : 0;
}

static int check_bitmap(struct image_header *h, uint32_t i, const uint8_t entry[BITMAP_BYTES])
{
	uint64_t table = be64_at(entry), cluster = UINT64_C(1) << h->cluster_bits;
	unsigned granularity = entry[17], name = be16_at(entry + 18);

	if (table == 0 || table % cluster != 0 || entry[16] != BITMAP_TYPE || granularity < MIN_GRANULARITY_BITS ||
	    granularity > MAX_GRANULARITY_BITS || name == 0 || name > BITMAP_MAX_NAME)
		return image_fault(h, "the entry of bitmap %u is broken", i);
	return table > h->file_size ? image_truncated(h, "the table of a bitmap") : 0;
}

int image_qcow2_check_bitmaps(const struct image_source *s, struct image_header *h, uint64_t offset, uint64_t size)
{
	uint64_t at = offset, end = offset + size;
	uint8_t entry[BITMAP_BYTES];

	for (uint32_t i = 0; i < h->n_bitmaps; i++) {
		if (image_bytes(s, h, at, entry, sizeof(entry), "the directory of bitmaps") < 0 ||
		    check_bitmap(h, i, entry) < 0)
			return -1;
		at = aligned(at + sizeof(entry) + be32_at(entry + 20) + be16_at(entry + 18));
		if (at > end)
			return image_fault(h, "bitmap %u does not end in the directory of bitmaps", i);
	}
	return at == end ? 0 : image_fault(h, "the directory of bitmaps is longer than its bitmaps");
}
