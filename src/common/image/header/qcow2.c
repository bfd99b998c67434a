/* SPDX-License-Identifier: MIT */
/*
 * image_header.h: the header of qcow2, versions 2 and 3 (QEMU docs/interop/qcow2.txt). Everything that makes QEMU
 * refuse an image (block/qcow2.c, qcow2_do_open) is a fault here too, and so are two things that QEMU accepts silently:
 * tables past the end of the file, which it reads as zeros, and names that two parsers could read in two ways.
 */
#include <unistd.h>

#include "image/header/impl.h"

enum {
	V2_LENGTH = 72,  /* bytes of the header of version 2 */
	V3_LENGTH = 104, /* at least, of version 3 */
	COMPRESSION_AT = 104,
	MIN_CLUSTER_BITS = 9,
	MAX_CLUSTER_BITS = 21,
	MAX_REFCOUNT_ORDER = 6,
	L1_ENTRY_BYTES = 8,
	SNAPSHOT_ENTRY_BYTES = 40, /* at least */
	MAX_SNAPSHOTS = 65536,
	MAX_REFCOUNT_TABLE = 8 << 20, /* bytes */
	MAX_L1_TABLE = 32 << 20,      /* bytes */
	WINDOW = 512,                 /* bytes of counts checked past the end of the file */
};

#define REFCOUNT_BLOCK_MASK UINT64_C(0xfffffffffffffe00)

int image_qcow2_check_table(struct image_header *h, uint64_t offset, uint64_t entries, uint64_t entry_bytes,
			    uint64_t max, const char *what)
{
	if (entries > max / entry_bytes)
		return image_fault(h, "%s is too large: %llu entries", what, (unsigned long long)entries);
	if (offset % (UINT64_C(1) << h->cluster_bits) != 0)
		return image_fault(h, "%s is not at the beginning of a cluster: offset %llu", what,
				   (unsigned long long)offset);
	if (!entries)
		return 0;
	if (!offset)
		return image_fault(h, "%s overlaps the header", what);
	if (offset > h->file_size || h->file_size - offset < entries * entry_bytes)
		return image_truncated(h, what);
	return 0;
}

/* --- the fixed part --------------------------------------------------------------------------------------------- */

static int read_version(const struct image_source *s, struct image_header *h)
{
	uint8_t raw[V2_LENGTH];

	if (image_bytes(s, h, 0, raw, sizeof(raw), "its header") < 0)
		return -1;
	h->version = be32_at(raw + 4);
	h->cluster_bits = be32_at(raw + 20);
	if (h->version > 3)
		return image_fault(h, "version %u of qcow2 is not known", h->version);
	if (h->cluster_bits < MIN_CLUSTER_BITS || h->cluster_bits > MAX_CLUSTER_BITS)
		return image_fault(h, "clusters of 2^%u bytes: 2^9 to 2^21 are possible", h->cluster_bits);
	return 0;
}

static int read_features(const struct image_source *s, struct image_header *h)
{
	uint8_t raw[V3_LENGTH];
	unsigned order = 4;

	h->header_length = V2_LENGTH;
	if (h->version == 3) {
		if (image_bytes(s, h, 0, raw, sizeof(raw), "its header") < 0)
			return -1;
		h->incompatible = be64_at(raw + 72);
		h->compatible = be64_at(raw + 80);
		h->autoclear = be64_at(raw + 88);
		order = be32_at(raw + 96);
		h->header_length = be32_at(raw + 100);
		if (h->header_length < V3_LENGTH)
			return image_fault(h, "a header of %u bytes is too short", h->header_length);
	}
	if (h->header_length > UINT32_C(1) << h->cluster_bits)
		return image_fault(h, "a header of %u bytes is longer than a cluster", h->header_length);
	if (order > MAX_REFCOUNT_ORDER)
		return image_fault(h, "reference counts of 2^%u bits: 2^6 are possible", order);
	h->refcount_bits = 1u << order;
	if (h->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2 && h->cluster_bits < 14)
		return image_fault(h, "clusters of 2^%u bytes are too small for extended L2 entries", h->cluster_bits);
	return 0;
}

static int read_compression(const struct image_source *s, struct image_header *h)
{
	bool flagged = h->incompatible & QCOW2_INCOMPATIBLE_COMPRESSION;
	uint8_t type = 0;

	if (h->header_length > COMPRESSION_AT && image_bytes(s, h, COMPRESSION_AT, &type, 1, "its header") < 0)
		return -1;
	h->compression = type;
	if (type > 1)
		return image_fault(h, "compression type %u is not known", type);
	if (flagged != (type != 0))
		return image_fault(h, "compression type %u, but its feature bit is %s", type,
				   flagged ? "set" : "not set");
	return 0;
}

static int read_encryption(const uint8_t *raw, struct image_header *h)
{
	uint32_t method = be32_at(raw + 32);

	if (method > IMAGE_ENCRYPTED_LUKS)
		return image_fault(h, "encryption method %u is not known", method);
	h->encryption = (enum image_encryption)method;
	return 0;
}

/* The L1 table needs one entry for each part of the disk that an L2 table covers. */
static int check_l1(struct image_header *h)
{
	unsigned entry_bits = h->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2 ? 4 : 3;
	unsigned shift = 2 * h->cluster_bits - entry_bits;
	uint64_t needed;

	if (h->virtual_size > INT64_MAX)
		return image_fault(h, "the size of the disk is more than 2^63 bytes");
	needed = (h->virtual_size + (UINT64_C(1) << shift) - 1) >> shift;
	if (needed > h->l1_entries)
		return image_fault(h, "the L1 table has %u entries, the disk needs %llu", h->l1_entries,
				   (unsigned long long)needed);
	return image_qcow2_check_table(h, h->l1_offset, h->l1_entries, L1_ENTRY_BYTES, MAX_L1_TABLE, "the L1 table");
}

static int read_tables(const struct image_source *s, const uint8_t *raw, struct image_header *h)
{
	h->virtual_size = be64_at(raw + 24);
	h->l1_entries = be32_at(raw + 36);
	h->l1_offset = be64_at(raw + 40);
	h->refcount_offset = be64_at(raw + 48);
	h->refcount_clusters = be32_at(raw + 56);
	h->n_snapshots = be32_at(raw + 60);
	h->snapshots_offset = be64_at(raw + 64);
	if (!h->refcount_clusters)
		return image_fault(h, "it has no table of reference counts");
	if (image_qcow2_check_table(h, h->refcount_offset, h->refcount_clusters, UINT64_C(1) << h->cluster_bits,
				    MAX_REFCOUNT_TABLE, "the table of reference counts") < 0 ||
	    image_qcow2_check_table(h, h->snapshots_offset, h->n_snapshots, SNAPSHOT_ENTRY_BYTES,
				    (uint64_t)SNAPSHOT_ENTRY_BYTES * MAX_SNAPSHOTS, "the table of snapshots") < 0)
		return -1;
	return check_l1(h) < 0 ? -1 : image_qcow2_check_snapshots(s, h);
}

/* --- names ------------------------------------------------------------------------------------------------------ */

/* Finds the end of the header extensions, *end, and reads the name that may follow them. */
static int read_backing_name(const struct image_source *s, const uint8_t *raw, struct image_header *h, uint64_t *end)
{
	uint64_t offset = be64_at(raw + 8), cluster = UINT64_C(1) << h->cluster_bits;
	uint32_t length = be32_at(raw + 16);

	*end = cluster;
	if (!offset)
		return 0;
	if (offset > cluster || length > cluster - offset)
		return image_fault(h, "the name of the backing file is not in the first cluster");
	if (length > IMAGE_NAME_MAX)
		return image_fault(h, "the name of the backing file has %u bytes: %d are possible", length,
				   IMAGE_NAME_MAX);
	if (offset < h->header_length)
		return image_fault(h, "the name of the backing file lies in the header");
	*end = offset;
	if (length)
		h->backing_name = image_text(s, h, offset, length, "the name of the backing file");
	return h->fault[0] ? -1 : 0;
}

/* Exactly the extensions that the feature bits call for must be there. */
static int check_extensions(struct image_header *h)
{
	bool external = h->incompatible & QCOW2_INCOMPATIBLE_DATA_FILE;

	if (!external && h->autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW)
		return image_fault(h, "it says that its data file is raw, but it has none");
	if (!external && h->data_file)
		return image_fault(h, "it names a data file, but the data file feature bit is not set");
	if (h->encryption == IMAGE_ENCRYPTED_LUKS && !h->encryption_offset)
		return image_fault(h, "it is encrypted, but has no encryption header");
	return 0;
}

void image_qcow2_read(const struct image_source *s, struct image_header *h)
{
	uint8_t raw[V2_LENGTH];
	uint64_t end;

	if (read_version(s, h) < 0 || image_bytes(s, h, 0, raw, sizeof(raw), "its header") < 0 ||
	    read_features(s, h) < 0 || read_compression(s, h) < 0 || read_encryption(raw, h) < 0 ||
	    read_backing_name(s, raw, h, &end) < 0 || image_qcow2_read_extensions(s, h, h->header_length, end) < 0 ||
	    check_extensions(h) < 0)
		return;
	(void)read_tables(s, raw, h); /* the fault is in *h */
}

/* --- the end of the file ---------------------------------------------------------------------------------------- */

/* Whether one of the reference counts in `bytes`, from bit `first_bit`, is not 0. */
static bool has_count(const uint8_t *bytes, size_t n, unsigned first_bit)
{
	static const uint8_t zeros[WINDOW];

	return n && (bytes[0] >> first_bit || memcmp(bytes + 1, zeros, n - 1) != 0);
}

static size_t at_most(uint64_t n, size_t max)
{
	return n < max ? (size_t)n : max;
}

/* Reads the counts of a block from cluster `index` on and looks for one that is not 0. */
static bool counts_from(int fd, const struct image_header *h, uint64_t block, uint64_t index)
{
	uint64_t bit = index * h->refcount_bits, cluster = UINT64_C(1) << h->cluster_bits;
	uint8_t bytes[WINDOW];
	ssize_t n = pread(fd, bytes, at_most(cluster - bit / 8, WINDOW), (off_t)(block + bit / 8));

	return n > 0 && has_count(bytes, (size_t)n, bit % 8);
}

void image_header_check_end(int fd, struct image_header *h)
{
	uint64_t cluster, per_block, first, index, left;
	uint8_t table[WINDOW];
	ssize_t n;

	if (h->format != IMAGE_QCOW2 || h->fault[0])
		return;
	cluster = UINT64_C(1) << h->cluster_bits;
	per_block = cluster * 8 / h->refcount_bits;
	first = h->file_size / cluster + (h->file_size % cluster != 0); /* the first cluster past the end */
	index = first / per_block;
	left = h->refcount_clusters * cluster;
	if (index * 8 >= left)
		return;
	n = pread(fd, table, at_most(left - index * 8, WINDOW), (off_t)(h->refcount_offset + index * 8));
	for (ssize_t i = 0; i + 8 <= n; i += 8) {
		uint64_t block = be64_at(table + i) & REFCOUNT_BLOCK_MASK;

		if (block > h->file_size || (block && h->file_size - block < cluster))
			image_truncated(h, "a block of its reference counts");
		else if (block && i == 0 && counts_from(fd, h, block, first % per_block))
			image_truncated(h, "clusters that it counts as used");
	}
}
