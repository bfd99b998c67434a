/* SPDX-License-Identifier: MIT */
/* walk --json: everything known of each image. What is not known, or does not apply, is absent. */
#include "walk/walk.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/json.h"

/* The names of feature bits (QEMU docs/interop/qcow2.txt). */
static const char *const incompatible[] = { "dirty", "corrupt", "data-file", "compression-type", "extended-l2" };
static const char *const compatible[] = { "lazy-refcounts" };
static const char *const autoclear[] = { "bitmaps", "data-file-raw" };

static const char *const states[] = {
	[CHAIN_OK] = "ok",
	[CHAIN_MISSING] = "missing",
	[CHAIN_UNREADABLE] = "unreadable",
	[CHAIN_NOT_REGULAR] = "not-regular",
	[CHAIN_REMOTE] = "remote",
	[CHAIN_BAD_NAME] = "bad-name",
	[CHAIN_CYCLE] = "cycle",
	[CHAIN_TOO_DEEP] = "too-deep",
	[CHAIN_REFUSED] = "refused",
};

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(object, key, json_string_of(text));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* The bits that are set: by name, or, where they have none, by number. */
static json_t *features(uint64_t bits, const char *const *names, size_t n)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < 64; i++) {
		_cleanup_free_ char *number = text_of("bit-%u", i);

		if (bits >> i & 1)
			json_array_append_new(list, json_string(i < n ? names[i] : number));
	}
	return list;
}

static void set_qcow2(json_t *object, const struct image_header *h)
{
	static const char *const encryptions[] = { "none", "aes", "luks" };

	set_number(object, "version", h->version);
	set_number(object, "header_length", h->header_length);
	set_number(object, "cluster_size", UINT64_C(1) << h->cluster_bits);
	set_number(object, "refcount_bits", h->refcount_bits);
	json_object_set_new(object, "incompatible", features(h->incompatible, incompatible, 5));
	json_object_set_new(object, "compatible", features(h->compatible, compatible, 1));
	json_object_set_new(object, "autoclear", features(h->autoclear, autoclear, 2));
	set_text(object, "unknown_features", h->feature_names);
	set_text(object, "encryption", encryptions[h->encryption]);
	set_text(object, "compression", h->compression ? "zstd" : "zlib");
	set_number(object, "l1_entries", h->l1_entries);
	set_number(object, "snapshots", h->n_snapshots);
	set_number(object, "bitmaps", h->n_bitmaps);
}

static void set_file(json_t *object, const struct chain_image *image)
{
	static const char *const uses[] = {
		[IMAGE_UNUSED] = "none", [IMAGE_READ] = "read", [IMAGE_WRITTEN] = "written"
	};

	set_number(object, "device", image->device);
	set_number(object, "inode", image->inode);
	set_number(object, "size", image->size);
	set_number(object, "allocated", image->allocated);
	json_object_set_new(object, "mtime_ns", json_integer(image->mtime_ns));
	set_number(object, "mode", image->mode & 07777);
	set_text(object, "use", uses[image->use]);
}

static void set_header(json_t *object, const struct chain_image *image)
{
	const struct image_header *h = &image->header;

	set_text(object, "format", image_format_name(image->format));
	set_text(object, "found_format", image_format_name(image->found));
	if (h->virtual_size)
		set_number(object, "virtual_size", h->virtual_size);
	set_text(object, "fault", h->fault);
	set_text(object, "backing_name", h->backing_name);
	set_text(object, "backing_format", h->backing_format);
	if (h->format == IMAGE_QCOW2 && !h->fault[0])
		set_qcow2(object, h);
}

static json_t *image_json(const struct chain_image *image)
{
	json_t *object = json_object();

	set_text(object, "path", image->path);
	set_text(object, "name", image->name);
	set_text(object, "state", states[image->state]);
	set_text(object, "error",
		 image->state == CHAIN_BAD_NAME ? image->why
		 : image->sys                   ? strerror(image->sys)
						: NULL);
	set_text(object, "protocol", image->protocol);
	set_text(object, "recorded_format", image->recorded_format);
	if (image->inode)
		set_file(object, image);
	if (image->state == CHAIN_OK)
		set_header(object, image);
	set_text(object, "data_file_name", image->data_name);
	set_text(object, "data_file", image->data_path);
	return object;
}

json_t *walk_json(const struct chain *c, const char *fault)
{
	json_t *images = json_array(), *object;

	for (size_t i = 0; i < c->n; i++)
		json_array_append_new(images, image_json(&c->images[i]));
	object = json_of("{s:s, s:o, s:b, s:o}", "schema", "mplcr.chain.walk/1", "image",
			 json_string_of(c->images[0].name), "whole", !fault, "images", images);
	set_text(object, "error", fault);
	return object;
}
