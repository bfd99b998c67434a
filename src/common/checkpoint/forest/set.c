/* SPDX-License-Identifier: MIT */
#include "checkpoint/forest/impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"

/* A hash table with open addressing: slots hold the index of an image and 1 added, or 0. At most half are used. */
struct forest_index {
	size_t *slots;
	size_t n_slots; /* a power of two */
	size_t room;    /* of the array of images */
};

enum { FIRST_SLOTS = 1024 };

static size_t first_slot(const struct forest_index *index, uint64_t device, uint64_t inode)
{
	uint64_t mixed = (inode ^ device << 32) * 0x9e3779b97f4a7c15;

	return (size_t)(mixed >> 20) & (index->n_slots - 1);
}

/* The slot of that file: the one that holds it, or the free one where it belongs. */
static size_t *slot_of(const struct forest *f, uint64_t device, uint64_t inode)
{
	const struct forest_index *index = f->index;
	size_t at = first_slot(index, device, inode);

	for (;; at = (at + 1) & (index->n_slots - 1)) {
		const struct forest_image *image = index->slots[at] ? &f->images[index->slots[at] - 1] : NULL;

		if (!image || (image->device == device && image->inode == inode))
			return &index->slots[at];
	}
}

size_t forest_at(const struct forest *f, dev_t device, ino_t inode)
{
	size_t held = f->index ? *slot_of(f, device, inode) : 0;

	return held ? held - 1 : FOREST_NONE;
}

/* Twice the room. */
static void grow(struct forest *f)
{
	struct forest_index *old = f->index, *index = memory_of(1, sizeof(*index));
	struct forest_image *images;

	index->n_slots = old ? 2 * old->n_slots : FIRST_SLOTS;
	index->slots = memory_of(index->n_slots, sizeof(*index->slots));
	index->room = index->n_slots / 2;
	images = memory_of(index->room, sizeof(*images));
	if (old)
		memcpy(images, f->images, f->n_images * sizeof(*images));
	free(f->images);
	f->images = images;
	f->index = index;
	for (size_t i = 0; i < f->n_images; i++)
		*slot_of(f, images[i].device, images[i].inode) = i + 1;
	forest_index_free(old);
}

void forest_index_free(struct forest_index *index)
{
	if (index)
		free(index->slots);
	free(index);
}

/* Extensions of image files. */
static bool is_image_name(const char *path)
{
	static const char *const endings[] = { "img", "raw",  "ovl",  "qcow2", "qcow", "qed",
					       "vdi", "vmdk", "vhdx", "vhd",   "vpc",  "hdd" };
	const char *dot = strrchr(path_base(path), '.');

	for (size_t i = 0; dot && i < sizeof(endings) / sizeof(*endings); i++)
		if (strcasecmp(dot + 1, endings[i]) == 0)
			return true;
	return false;
}

void forest_make_raw(struct forest_image *image)
{
	if (image->below_name)
		image->found_below = steal_ptr(image->below_name);
	if (image->data_file)
		image->found_data = steal_ptr(image->data_file);
	free(image->below_format);
	free(image->fault);
	image->below_format = image->fault = NULL;
	image->format = IMAGE_RAW;
	image->virtual_size = image->size;
}

/* Takes over what the header says. */
static void take_header(struct forest_image *image, struct image_header *h)
{
	image->format = h->format;
	image->virtual_size = h->virtual_size;
	image->below_name = steal_ptr(h->backing_name);
	image->below_format = steal_ptr(h->backing_format);
	image->data_file = steal_ptr(h->data_file);
	if (h->fault[0])
		image->fault = text_copy(h->fault);
}

/* Opens the file and reads what it says. Nothing of that fails: it is a fault of the image. */
static void look_into(struct forest_image *image, const char *path, struct in_use *use)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct image_header h;
	struct err e;

	if (fd < 0) {
		err_sys(&e, errno, "cannot open it");
		image->fault = text_copy(e.text);
		return;
	}
	if (use)
		image->use = in_use_fd(use, fd);
	if (image_header_read(fd, &h, &e) == 0)
		take_header(image, &h);
	else
		image->fault = text_copy(e.text);
	image_header_release(&h);
}

bool forest_is_inside(const struct forest_builder *b, const char *path)
{
	for (char *const *root = b->roots; *root; root++)
		if (strcmp(*root, path) == 0 || path_below(*root, path))
			return true;
	return false;
}

static void add_name(struct forest_image *image, const char *path)
{
	if (strcmp(image->path, path) == 0)
		return;
	for (size_t i = 0; i < image->names.n; i++)
		if (strcmp(image->names.paths[i], path) == 0)
			return;
	path_list_add(&image->names, path);
}

size_t forest_add(struct forest_builder *b, const char *path, const struct stat *st, enum forest_reason why)
{
	struct forest *f = b->forest;
	size_t there = forest_at(f, st->st_dev, st->st_ino);
	struct forest_image image = {
		.device = st->st_dev,
		.inode = st->st_ino,
		.links = st->st_nlink,
		.size = (uint64_t)st->st_size,
		.allocated = (uint64_t)st->st_blocks * 512,
		.mtime_ns = clock_ns_of(st->st_mtim),
		.below = FOREST_NONE,
		.inside = FOREST_NONE,
	};

	if (there != FOREST_NONE) {
		if (why == FOREST_AS_RAW)
			forest_make_raw(&f->images[there]);
		add_name(&f->images[there], path);
		return there;
	}
	look_into(&image, path, b->use);
	if (why == FOREST_AS_RAW)
		forest_make_raw(&image);
	if (why == FOREST_BY_LOOK && image.format == IMAGE_RAW && !is_image_name(path)) {
		free(image.fault);
		return FOREST_NONE;
	}
	image.path = text_copy(path);
	image.outside = !forest_is_inside(b, path);
	if (!f->index || f->n_images == f->index->room)
		grow(f);
	*slot_of(f, image.device, image.inode) = f->n_images + 1;
	f->images[f->n_images] = image;
	return f->n_images++;
}
