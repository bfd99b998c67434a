/* SPDX-License-Identifier: MIT */
/* image_header.h: formats by their magic numbers, and the headers of qcow (version 1) and qed, which have backing
 * files. */
#include <string.h>

#include "base/text.h"
#include "image/header/impl.h"

static const char *const names[] = {
	[IMAGE_RAW] = "raw",   [IMAGE_QCOW2] = "qcow2", [IMAGE_QCOW] = "qcow",
	[IMAGE_QED] = "qed",   [IMAGE_VMDK] = "vmdk",   [IMAGE_VDI] = "vdi",
	[IMAGE_VHDX] = "vhdx", [IMAGE_VPC] = "vpc",     [IMAGE_PARALLELS] = "parallels",
	[IMAGE_LUKS] = "luks", [IMAGE_BOCHS] = "bochs", [IMAGE_CLOOP] = "cloop",
	[IMAGE_DMG] = "dmg",
};

const char *image_format_name(enum image_format format)
{
	return (size_t)format < sizeof(names) / sizeof(*names) ? names[format] : NULL;
}

int image_format_named(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

/* What QEMU's probes look for (the bdrv_probe function of each driver, QEMU block/). */
#define MAGIC(format, offset, bytes)                                                                                   \
	{                                                                                                              \
		format, offset, sizeof(bytes) - 1, bytes                                                               \
	}
/* clang-format off */
static const struct magic {
	enum image_format format;
	size_t offset, length;
	const char *bytes;
} magics[] = {
	MAGIC(IMAGE_QCOW, 0, "QFI\xfb\0\0\0\1"),
	MAGIC(IMAGE_QCOW2, 0, "QFI\xfb"),
	MAGIC(IMAGE_QED, 0, "QED\0"),
	MAGIC(IMAGE_VMDK, 0, "KDMV"),
	MAGIC(IMAGE_VMDK, 0, "COWD"),
	MAGIC(IMAGE_VMDK, 0, "# Disk DescriptorFile"),
	MAGIC(IMAGE_VDI, 0x40, "\x7f\x10\xda\xbe"),
	MAGIC(IMAGE_VHDX, 0, "vhdxfile"),
	MAGIC(IMAGE_VPC, 0, "conectix"),
	MAGIC(IMAGE_PARALLELS, 0, "WithoutFreeSpace"),
	MAGIC(IMAGE_PARALLELS, 0, "WithouFreSpacExt"),
	MAGIC(IMAGE_LUKS, 0, "LUKS\xba\xbe"),
	MAGIC(IMAGE_BOCHS, 0, "Bochs Virtual HD Image"),
	MAGIC(IMAGE_CLOOP, 0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"),
};
/* clang-format on */

/* QEMU takes a qcow2 header of version 0 for raw (qcow2_probe). */
static bool is_version_0(const struct image_source *s)
{
	return s->head_length >= 8 && be32_at(s->head + 4) == 0;
}

enum image_format image_probe(const struct image_source *s)
{
	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
		const struct magic *m = &magics[i];

		if (s->head_length >= m->offset + m->length && memcmp(s->head + m->offset, m->bytes, m->length) == 0)
			return m->format == IMAGE_QCOW2 && is_version_0(s) ? IMAGE_RAW : m->format;
	}
	return IMAGE_RAW;
}

/* Reads the backing file's name, which both formats store anywhere in the file. */
static void read_backing(const struct image_source *s, struct image_header *h, uint64_t offset, uint32_t length)
{
	if (length > IMAGE_NAME_MAX)
		image_fault(h, "the name of the backing file is longer than %d bytes", IMAGE_NAME_MAX);
	else if (length)
		h->backing_name = image_text(s, h, offset, length, "the name of the backing file");
}

/* QEMU block/qcow.c, QCowHeader */
void image_qcow_read(const struct image_source *s, struct image_header *h)
{
	uint8_t raw[48];

	if (image_bytes(s, h, 0, raw, sizeof(raw), "its header") < 0)
		return;
	h->virtual_size = be64_at(raw + 24);
	h->cluster_bits = raw[32];
	h->encryption = be32_at(raw + 36) == 1 ? IMAGE_ENCRYPTED_AES : IMAGE_NOT_ENCRYPTED;
	if (h->virtual_size <= 1)
		image_fault(h, "the size of the disk is %d", (int)h->virtual_size);
	else if (h->cluster_bits < 9 || h->cluster_bits > 16)
		image_fault(h, "clusters of 2^%u bytes", h->cluster_bits);
	else if (be32_at(raw + 36) > 1)
		image_fault(h, "encryption method %u is not known", be32_at(raw + 36));
	else if (be64_at(raw + 8))
		read_backing(s, h, be64_at(raw + 8), be32_at(raw + 16));
}

/* QEMU docs/interop/qed_spec.txt */
#define QED_BACKING 0x1
#define QED_BACKING_IS_RAW 0x4

void image_qed_read(const struct image_source *s, struct image_header *h)
{
	uint64_t features;
	uint8_t raw[64];

	if (image_bytes(s, h, 0, raw, sizeof(raw), "its header") < 0)
		return;
	features = le64_at(raw + 16);
	h->virtual_size = le64_at(raw + 48);
	if (features & ~UINT64_C(7))
		image_fault(h, "features %#llx are not known", (unsigned long long)features);
	else if (features & QED_BACKING)
		read_backing(s, h, le32_at(raw + 56), le32_at(raw + 60));
	if (h->backing_name && features & QED_BACKING_IS_RAW)
		h->backing_format = text_copy("raw");
}
