/* SPDX-License-Identifier: MIT */
/*
 * image_header.h: the header extensions of qcow2: type and length, 32 bits each, then the data, padded to 8 bytes; type
 * 0 ends them (QEMU docs/interop/qcow2.txt; block/qcow2.c, qcow2_read_extensions).
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/header/impl.h"

enum {
	EXT_END = 0,
	EXT_BITMAPS = 0x23852875,
	EXT_DATA_FILE = 0x44415441,
	EXT_FEATURE_NAMES = 0x6803f857,
	EXT_ENCRYPTION = 0x0537be77,
};
#define EXT_BACKING_FORMAT 0xe2792acaU /* too large for an enum */

enum {
	MAX_EXTENSIONS = 64,
	MAX_FORMAT = 15, /* bytes of a format's name */
	MAX_DATA_FILE = 4095,
	BITMAPS_LENGTH = 24,
	ENCRYPTION_LENGTH = 16,
	MAX_BITMAPS = 65535,
	MAX_BITMAP_ENTRY = 1024 + 24, /* bytes of one in the directory: QEMU block/qcow2-bitmap.c */
	FEATURE_BYTES = 48,           /* type, bit, name */
	MAX_FEATURES = 192,           /* three types of 64 */
};

struct extension {
	uint32_t type;
	uint32_t length;
	uint64_t offset; /* of the data */
};

static int read_backing_format(const struct image_source *s, struct image_header *h, const struct extension *x)
{
	if (h->backing_format)
		return image_fault(h, "it records the format of the backing file twice");
	if (x->length > MAX_FORMAT)
		return image_fault(h, "the name of the backing file's format has %u bytes", x->length);
	if (!x->length)
		return 0;
	h->backing_format = image_text(s, h, x->offset, x->length, "the name of the backing file's format");
	return h->backing_format ? 0 : -1;
}

static int read_data_file(const struct image_source *s, struct image_header *h, const struct extension *x)
{
	if (h->data_file)
		return image_fault(h, "it names two data files");
	if (x->length > MAX_DATA_FILE)
		return image_fault(h, "the name of the data file has %u bytes", x->length);
	h->data_file = image_text(s, h, x->offset, x->length, "the name of the data file");
	return h->data_file ? 0 : -1;
}

static int read_bitmaps(const struct image_source *s, struct image_header *h, const struct extension *x)
{
	uint8_t raw[BITMAPS_LENGTH];
	uint64_t bytes, max;

	if (x->length != BITMAPS_LENGTH)
		return image_fault(h, "the extension of bitmaps has %u bytes instead of %d", x->length, BITMAPS_LENGTH);
	if (!(h->autoclear & QCOW2_AUTOCLEAR_BITMAPS)) /* the bitmaps are out of date: QEMU ignores them */
		return 0;
	if (image_bytes(s, h, x->offset, raw, sizeof(raw), "the extension of bitmaps") < 0)
		return -1;
	h->n_bitmaps = be32_at(raw);
	bytes = be64_at(raw + 8);
	max = (uint64_t)MAX_BITMAPS * MAX_BITMAP_ENTRY;
	if (h->n_bitmaps == 0 || h->n_bitmaps > MAX_BITMAPS)
		return image_fault(h, "%u bitmaps are impossible", h->n_bitmaps);
	if (be32_at(raw + 4) || bytes == 0)
		return image_fault(h, "the extension of bitmaps is broken");
	if (image_qcow2_check_table(h, be64_at(raw + 16), bytes, 1, max, "the directory of bitmaps") < 0)
		return -1;
	return image_qcow2_check_bitmaps(s, h, be64_at(raw + 16), bytes);
}

static int read_encryption(const struct image_source *s, struct image_header *h, const struct extension *x)
{
	uint8_t raw[ENCRYPTION_LENGTH];

	if (x->length != ENCRYPTION_LENGTH)
		return image_fault(h, "the extension of encryption has %u bytes instead of %d", x->length,
				   ENCRYPTION_LENGTH);
	if (h->encryption != IMAGE_ENCRYPTED_LUKS || h->encryption_offset)
		return image_fault(h, "an encryption header is not expected");
	if (image_bytes(s, h, x->offset, raw, sizeof(raw), "the extension of encryption") < 0)
		return -1;
	h->encryption_offset = be64_at(raw);
	return image_qcow2_check_table(h, be64_at(raw), be64_at(raw + 8), 1, INT64_MAX, "the header of encryption");
}

/* Appends to the list of unknown features that are set. */
static void add_feature(struct image_header *h, const uint8_t entry[FEATURE_BYTES])
{
	char *names;

	if (entry[0] != 0 || entry[1] > 63 || !(h->incompatible & ~QCOW2_INCOMPATIBLE_KNOWN & UINT64_C(1) << entry[1]))
		return;
	names = text_of("%s%s%.46s", h->feature_names ? h->feature_names : "", h->feature_names ? ", " : "",
			(const char *)entry + 2);
	free(h->feature_names);
	h->feature_names = names;
}

static int read_feature_names(const struct image_source *s, struct image_header *h, const struct extension *x)
{
	uint8_t entry[FEATURE_BYTES];

	if (!(h->incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_KNOWN))
		return 0;
	for (uint32_t i = 0; i < x->length / FEATURE_BYTES && i < MAX_FEATURES; i++) {
		if (image_bytes(s, h, x->offset + i * FEATURE_BYTES, entry, sizeof(entry), "the names of features") < 0)
			return -1;
		add_feature(h, entry);
	}
	return 0;
}

static int read_one(const struct image_source *s, struct image_header *h, const struct extension *x)
{
	switch (x->type) {
	case EXT_BACKING_FORMAT:
		return read_backing_format(s, h, x);
	case EXT_DATA_FILE:
		return read_data_file(s, h, x);
	case EXT_BITMAPS:
		return read_bitmaps(s, h, x);
	case EXT_ENCRYPTION:
		return read_encryption(s, h, x);
	case EXT_FEATURE_NAMES:
		return read_feature_names(s, h, x);
	default:
		return 0;
	}
}

int image_qcow2_read_extensions(const struct image_source *s, struct image_header *h, uint64_t from, uint64_t end)
{
	for (int i = 0; from < end; i++) {
		struct extension x;
		uint8_t raw[8];

		if (i == MAX_EXTENSIONS)
			return image_fault(h, "more than %d header extensions", MAX_EXTENSIONS);
		if (end - from < sizeof(raw))
			return image_fault(h, "a header extension is cut off");
		if (image_bytes(s, h, from, raw, sizeof(raw), "its header extensions") < 0)
			return -1;
		x = (struct extension){ be32_at(raw), be32_at(raw + 4), from + sizeof(raw) };
		if (x.type == EXT_END)
			return 0;
		if (x.length > end - x.offset)
			return image_fault(h, "header extension %#x is longer than the header", x.type);
		if (read_one(s, h, &x) < 0)
			return -1;
		from = x.offset + ((uint64_t)x.length + 7) / 8 * 8;
	}
	return 0;
}
