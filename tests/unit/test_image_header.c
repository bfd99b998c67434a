/* SPDX-License-Identifier: MIT */
/* image_header.h: what headers say, and every way in which they can be bad. */
#include "image/header/header.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "qcow2_builder.h"
#include "tap.h"

/* An entry of the table of feature names: type, bit, name. */
static const char known_feature[48] = "\0\0dirty bit";
static const char new_feature[48] = "\0\x09teleport";

static uint8_t image[BUILT_BYTES];
static struct image_header h;

/* Reads the first `size` bytes of `image` as a file. */
static void read_sized(size_t size)
{
	int fd = memfd_create("image", 0);
	struct err e;

	image_header_release(&h);
	if (fd < 0 || write(fd, image, size) != (ssize_t)size || image_header_read(fd, &h, &e) < 0)
		abort();
	image_header_check_end(fd, &h);
	close(fd);
}

static void read_whole(void)
{
	read_sized(sizeof(image));
}

/* The image is bad in words that have `expected` in them; it is made sound again. */
static void bad(const char *expected)
{
	read_whole();
	if (!ok(h.fault[0] && strstr(h.fault, expected), "%s", expected))
		printf("# '%s'\n", h.fault);
	build_qcow2(image);
}

static void bad32(size_t at, uint32_t n, const char *expected)
{
	put32(image, at, n);
	bad(expected);
}

static void bad64(size_t at, uint64_t n, const char *expected)
{
	put64(image, at, n);
	bad(expected);
}

static void test_good(void)
{
	size_t at = AT_EXTENSIONS;

	build_qcow2(image);
	read_whole();
	ok(!h.fault[0] && h.format == IMAGE_QCOW2 && h.version == 3 && h.cluster_bits == 16 && h.refcount_bits == 16 &&
		   h.virtual_size == 1 << 20 && h.l1_entries == 1 && h.file_size == BUILT_BYTES && !h.backing_name,
	   "a sound image: '%s'", h.fault);

	put_extension(image, &at, 0x6803f857, known_feature, 48);
	put_extension(image, &at, 0x12345678, "whatever", 8);
	put_extension(image, &at, 0xe2792aca, "raw", 3);
	put64(image, AT_BACKING_OFFSET, at + 8);
	put32(image, AT_BACKING_SIZE, 8);
	memcpy(image + at + 8, "base.img", 8);
	read_whole();
	ok(!h.fault[0] && strcmp(h.backing_name, "base.img") == 0 && strcmp(h.backing_format, "raw") == 0,
	   "extensions, known and unknown, and a backing file: '%s'", h.fault);

	build_qcow2(image);
	put32(image, AT_VERSION, 2);
	put32(image, AT_INCOMPATIBLE, 0);
	put32(image, AT_REFCOUNT_ORDER, 0);
	put32(image, AT_HEADER_LENGTH, 0);
	read_whole();
	ok(!h.fault[0] && h.version == 2 && h.header_length == 72 && h.refcount_bits == 16, "version 2: '%s'", h.fault);
	build_qcow2(image);
}

static void test_features(void)
{
	size_t at = AT_EXTENSIONS;

	put64(image, AT_INCOMPATIBLE, 3);
	read_whole();
	ok(!h.fault[0] && h.incompatible == 3, "dirty and corrupt are no bad header");
	put64(image, AT_INCOMPATIBLE, UINT64_C(1) << 63 | 1 << 9);
	put_extension(image, &at, 0x6803f857, new_feature, 48);
	read_whole();
	ok(!h.fault[0] && h.incompatible >> 63 && h.feature_names && strcmp(h.feature_names, "teleport") == 0,
	   "features that nobody knows, by their names: %s", h.feature_names);
	build_qcow2(image);

	put64(image, AT_INCOMPATIBLE, QCOW2_INCOMPATIBLE_COMPRESSION);
	bad("compression type 0, but its feature bit is set");
	image[AT_COMPRESSION] = 1;
	bad("compression type 1, but its feature bit is not set");
	put64(image, AT_INCOMPATIBLE, QCOW2_INCOMPATIBLE_COMPRESSION);
	image[AT_COMPRESSION] = 7;
	bad("compression type 7");
	put32(image, AT_CLUSTER_BITS, 13);
	bad64(AT_INCOMPATIBLE, QCOW2_INCOMPATIBLE_EXTENDED_L2, "too small for extended L2");
	bad64(AT_AUTOCLEAR, QCOW2_AUTOCLEAR_DATA_FILE_RAW, "its data file is raw, but it has none");
	put_extension(image, &at, 0x44415441, "data", 4);
	build_qcow2(image);
	at = AT_EXTENSIONS;
	put_extension(image, &at, 0x44415441, "data", 4);
	bad("names a data file, but");
}

static void test_fields(void)
{
	bad32(AT_VERSION, 4, "version 4");
	bad32(AT_CLUSTER_BITS, 8, "clusters of 2^8");
	bad32(AT_CLUSTER_BITS, 22, "clusters of 2^22");
	bad32(AT_CLUSTER_BITS, UINT32_MAX, "clusters of");
	bad32(AT_HEADER_LENGTH, 103, "too short");
	bad32(AT_HEADER_LENGTH, BUILT_CLUSTER + 8, "longer than a cluster");
	bad32(AT_REFCOUNT_ORDER, 7, "reference counts of 2^7");
	bad32(AT_CRYPT, 3, "encryption method 3");
	bad32(AT_CRYPT, 2, "has no encryption header");
	bad32(AT_REFCOUNT_CLUSTERS, 0, "no table of reference counts");
	bad32(AT_REFCOUNT_CLUSTERS, 1000, "the table of reference counts is too large");
	bad64(AT_REFCOUNT_OFFSET, 1000, "reference counts is not at the beginning of a cluster");
	bad64(AT_REFCOUNT_OFFSET, 0, "overlaps the header");
	bad64(AT_REFCOUNT_OFFSET, INT64_MAX & ~65535, "too short for the table of reference counts");
	ok(!h.fault[0] || h.truncated, "which is a file that was cut off");
	bad64(AT_REFCOUNT_OFFSET, UINT64_MAX & ~65535, "too short for the table of reference counts");
	bad32(AT_SNAPSHOTS, 70000, "the table of snapshots is too large");
	bad32(AT_SNAPSHOTS, 1, "overlaps the header");
	put64(image, AT_SNAPSHOTS_OFFSET, 4 * BUILT_CLUSTER);
	bad32(AT_SNAPSHOTS, 1 + BUILT_CLUSTER / 40, "too short for the table of snapshots");
	bad32(AT_L1_ENTRIES, 0, "the disk needs 1");
	bad64(AT_SIZE, UINT64_MAX, "2^63");
	bad64(AT_SIZE, INT64_MAX, "the disk needs");
	bad32(AT_L1_ENTRIES, UINT32_MAX, "the L1 table is too large");
	bad64(AT_L1_OFFSET, BUILT_BYTES, "too short for the L1 table");
	bad64(AT_L1_OFFSET, 512, "the L1 table is not at");
}

static void test_names(void)
{
	build_backing(image, "a", NULL);
	put32(image, AT_BACKING_SIZE, 1024);
	bad("1024 bytes");
	build_backing(image, "a", NULL);
	put32(image, AT_BACKING_SIZE, UINT32_MAX);
	bad("not in the first cluster");
	build_backing(image, "a", NULL);
	bad64(AT_BACKING_OFFSET, BUILT_CLUSTER + 1, "not in the first cluster");
	build_backing(image, "a", NULL);
	bad64(AT_BACKING_OFFSET, BUILT_CLUSTER, "not in the first cluster");
	build_backing(image, "a", NULL);
	bad64(AT_BACKING_OFFSET, 100, "lies in the header");
	build_backing(image, "abc", NULL);
	put32(image, AT_BACKING_SIZE, 5);
	bad("contains a NUL");
	build_backing(image, "a", "a-format-too-long");
	bad("17 bytes");
	build_backing(image, "", "raw");
	read_whole();
	ok(!h.fault[0] && !h.backing_name, "a name of no bytes is none");
	build_qcow2(image);
}

/* One entry of a directory of bitmaps, of 32 bytes. */
static void put_bitmap(size_t at)
{
	memset(image + at, 0, 32);
	put64(image, at, BUILT_CLUSTER);
	image[at + 16] = 1;
	image[at + 17] = 16;
	image[at + 19] = 3;
	memcpy(image + at + 24, "one", 3);
}

static void test_snapshots(void)
{
	size_t at = 4 * BUILT_CLUSTER;

	put32(image, AT_SNAPSHOTS, 2);
	put64(image, AT_SNAPSHOTS_OFFSET, at);
	image[at + 13] = 1;
	image[at + 15] = 3;
	image[at + 39] = 16;
	read_whole();
	ok(!h.fault[0] && h.n_snapshots == 2, "two snapshots: '%s'", h.fault);
	put32(image, at + 64 + 36, 1025);
	read_whole();
	ok(strstr(h.fault, "snapshot 1 has 1025 bytes"), "%s", h.fault);
	put32(image, at + 64 + 36, 0);
	image[at + 64 + 12] = image[at + 64 + 14] = 255;
	read_whole();
	ok(h.truncated, "%s", h.fault);
	build_qcow2(image);
}

static void test_extensions(void)
{
	uint8_t bitmaps[24] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, 0, 0, 4, 0, 0 };
	size_t at = AT_EXTENSIONS;

	put_extension(image, &at, 0xe2792aca, "raw", 3);
	put_extension(image, &at, 0xe2792aca, "qcow2", 5);
	bad("twice");
	put32(image, AT_EXTENSIONS, 0xe2792aca);
	bad32(AT_EXTENSIONS + 4, UINT32_MAX, "longer than the header");
	put32(image, AT_EXTENSIONS, 1);
	bad32(AT_EXTENSIONS + 4, BUILT_CLUSTER - AT_EXTENSIONS - 4, "longer than the header");
	for (at = AT_EXTENSIONS; at < 4096;)
		put_extension(image, &at, 1, "", 0);
	bad("more than 64");
	at = AT_EXTENSIONS;
	put_extension(image, &at, 0x0537be77, bitmaps, 16);
	bad("not expected");
	at = AT_EXTENSIONS;
	put_extension(image, &at, 0x23852875, bitmaps, 16);
	bad("16 bytes instead of 24");

	at = AT_EXTENSIONS;
	put_extension(image, &at, 0x23852875, bitmaps, 24);
	read_whole();
	ok(!h.fault[0] && h.n_bitmaps == 0, "bitmaps that are out of date are ignored");
	put64(image, AT_AUTOCLEAR, QCOW2_AUTOCLEAR_BITMAPS);
	put_bitmap(4 * BUILT_CLUSTER);
	read_whole();
	ok(!h.fault[0] && h.n_bitmaps == 1, "a bitmap: '%s'", h.fault);
	image[4 * BUILT_CLUSTER + 17] = 8;
	read_whole();
	ok(strstr(h.fault, "the entry of bitmap 0 is broken"), "%s", h.fault);
	put_bitmap(4 * BUILT_CLUSTER);
	put64(image, 4 * BUILT_CLUSTER, 1024 * BUILT_CLUSTER);
	read_whole();
	ok(h.truncated, "%s", h.fault);
	put_bitmap(4 * BUILT_CLUSTER);
	put32(image, 4 * BUILT_CLUSTER + 20, 8);
	read_whole();
	ok(strstr(h.fault, "does not end"), "%s", h.fault);
	put_bitmap(4 * BUILT_CLUSTER);
	put64(image, AT_EXTENSIONS + 8 + 8, 40);
	read_whole();
	ok(strstr(h.fault, "longer than its bitmaps"), "%s", h.fault);
	put64(image, AT_EXTENSIONS + 8 + 8, BUILT_CLUSTER + 1);
	bad("too short for the directory of bitmaps");
}

static void test_ends(void)
{
	static const size_t sizes[] = { 3 * BUILT_CLUSTER, 100, 71, 8, 4 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		read_sized(sizes[i]);
		ok(h.fault[0] && h.truncated, "cut off after %zu bytes: %s", sizes[i], h.fault);
	}
	read_sized(3);
	ok(!h.fault[0] && h.format == IMAGE_RAW && h.virtual_size == 3, "three bytes are raw");
	read_sized(0);
	ok(!h.fault[0] && h.format == IMAGE_RAW, "none are, too");
	put32(image, AT_VERSION, 0);
	read_whole();
	ok(!h.fault[0] && h.format == IMAGE_RAW, "version 0 is raw for QEMU");

	build_qcow2(image);
	read_sized(4 * BUILT_CLUSTER);
	ok(!h.fault[0], "the last cluster is not used: '%s'", h.fault);
	image[2 * BUILT_CLUSTER + 2 * 4 + 1] = 1;
	read_sized(4 * BUILT_CLUSTER + 1);
	ok(!h.fault[0], "the last cluster is used, and there in part: '%s'", h.fault);
	read_sized(4 * BUILT_CLUSTER);
	ok(h.truncated, "it is used, and not there: %s", h.fault);
	put64(image, BUILT_CLUSTER, BUILT_BYTES);
	read_whole();
	ok(h.truncated, "a block of reference counts that is not there: %s", h.fault);

	build_qcow2(image);
	put32(image, AT_REFCOUNT_ORDER, 0);
	memset(image + 2 * BUILT_CLUSTER, 0, 16);
	image[2 * BUILT_CLUSTER] = 0x0f;
	read_sized(4 * BUILT_CLUSTER);
	ok(!h.fault[0], "counts of one bit: '%s'", h.fault);
	image[2 * BUILT_CLUSTER] = 0x1f;
	read_sized(4 * BUILT_CLUSTER);
	ok(h.truncated, "of which one is of a cluster behind the end");
	build_qcow2(image);
}

static void test_formats(void)
{
	static const struct {
		const char *bytes;
		size_t offset, length;
		const char *name;
	} formats[] = {
		{ "QED", 0, 4, "qed" },
		{ "KDMV", 0, 4, "vmdk" },
		{ "COWD", 0, 4, "vmdk" },
		{ "vhdxfile", 0, 8, "vhdx" },
		{ "conectix", 0, 8, "vpc" },
		{ "\x7f\x10\xda\xbe", 64, 4, "vdi" },
		{ "LUKS\xba\xbe", 0, 6, "luks" },
		{ "WithoutFreeSpace", 0, 16, "parallels" },
		{ "QFI\xfb\0\0\0\1", 0, 8, "qcow" },
		{ "hello", 0, 5, "raw" },
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		memset(image, 0, sizeof(image));
		memcpy(image + formats[i].offset, formats[i].bytes, formats[i].length);
		read_whole();
		ok(strcmp(image_format_name(h.format), formats[i].name) == 0 &&
			   image_format_named(formats[i].name) == (int)h.format,
		   "%s", formats[i].name);
	}
	ok(image_format_named("nonsense") == -1, "no format");

	memset(image, 0, sizeof(image));
	memcpy(image, "QFI\xfb\0\0\0\1", 8);
	put64(image, 8, 48);
	put32(image, 16, 4);
	put64(image, 24, 1 << 20);
	image[32] = 12;
	memcpy(image + 48, "base", 4);
	read_whole();
	ok(!h.fault[0] && h.virtual_size == 1 << 20 && strcmp(h.backing_name, "base") == 0, "qcow: '%s'", h.fault);
	image[32] = 33;
	read_whole();
	ok(h.fault[0], "a bad one: %s", h.fault);

	memset(image, 0, sizeof(image));
	memcpy(image, "QED\0", 4);
	image[16] = 5;
	image[50] = 16;
	image[56] = 64;
	image[60] = 4;
	memcpy(image + 64, "base", 4);
	read_whole();
	ok(!h.fault[0] && h.virtual_size == 1 << 20 && strcmp(h.backing_name, "base") == 0 &&
		   strcmp(h.backing_format, "raw") == 0,
	   "qed: '%s'", h.fault);
	image[58] = 255;
	read_whole();
	ok(h.truncated, "a bad one: %s", h.fault);
	build_qcow2(image);
}

int main(void)
{
	int ends[2];
	struct err e;

	test_good();
	test_features();
	test_fields();
	test_names();
	test_snapshots();
	test_extensions();
	test_ends();
	test_formats();
	ok(pipe(ends) == 0 && image_header_read(ends[0], &h, &e) == -1, "a pipe is no image: %s", e.text);
	image_header_release(&h);
	return done();
}
