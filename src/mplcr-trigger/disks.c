/* SPDX-License-Identifier: MIT */
/* The disks of the VM, from query-block and query-named-block-nodes (QEMU qapi/block-core.json). */
#include "trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "fdio.h"
#include "image.h"
#include "json.h"

/* A chain deeper than this is taken for a loop. */
#define MAX_DEPTH 1024

/* Our own overlays' nodes begin with this, so that the user's node name can be found below them. */
#define OUR_NODES "mplcr-"

char *disk_image_path(const char *shown, const struct survey *s)
{
	return image_path(shown, s->proc_known ? s->proc.cwd : NULL, s->pid);
}

/* Why the image cannot be the base of an overlay, malloc'd; NULL where it can. */
static char *refusal_of(const char *path, const json_t *image, const json_t *inserted)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return text_of("'%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return text_of("'%s' is a device passed through, not an image file", path);
	if (json_flag(image, "encrypted") || json_flag(inserted, "encrypted"))
		return text_of("'%s' is encrypted, and an overlay would hold its data in clear", path);
	return NULL;
}

static const char *format_of(const json_t *image)
{
	const char *format = json_text(image, "format");

	return format && strcmp(format, "file") != 0 ? format : "raw";
}

/* Fills d->chain from the nested "image" of query-block. */
static int read_chain(struct disk *d, const struct survey *s, const json_t *image, struct err *e)
{
	size_t depth = 0;

	for (const json_t *at = image; at; at = json_object_get(at, "backing-image"))
		if (++depth > MAX_DEPTH)
			return err_set(e, "disk '%s' has a backing chain of more than %d images", d->device, MAX_DEPTH);
	d->chain = memory_of(depth, sizeof(*d->chain));
	for (const json_t *at = image; at; at = json_object_get(at, "backing-image")) {
		const char *shown = json_text(at, "filename");
		struct manifest_image *i = &d->chain[d->n_chain++];

		if (!shown)
			return err_set(e, "QEMU does not tell the file of disk '%s'", d->device);
		i->path = disk_image_path(shown, s);
		i->format = text_copy(format_of(at));
		if (!i->path && !d->refusal)
			d->refusal = text_of("'%s' cannot be found as a local file: is it remote, or was it removed?",
					     shown);
	}
	return 0;
}

/*
 * The name that the user gave the node: `node` itself, or, where that is an overlay of ours, the first node below that
 * is not. Nodes are followed by file name, since QEMU lists no edges.
 */
static const char *users_node(const char *node, const char *backing, const json_t *nodes)
{
	for (int depth = 0; depth < MAX_DEPTH && strncmp(node, OUR_NODES, strlen(OUR_NODES)) == 0 && backing; depth++) {
		const json_t *n, *next = NULL;
		size_t i;

		json_array_foreach(nodes, i, n)
			if (json_text(n, "file") && strcmp(json_text(n, "file"), backing) == 0 &&
			    strcmp(json_text(n, "drv") ? json_text(n, "drv") : "file", "file") != 0)
				next = n;
		if (!next)
			break;
		node = json_text(next, "node-name");
		backing = json_text(next, "backing_file");
	}
	return node;
}

static int read_disk(struct disk *d, const struct survey *s, const json_t *block, const json_t *nodes, struct err *e)
{
	const json_t *inserted = json_object_get(block, "inserted");
	const json_t *image = json_object_get(inserted, "image");
	const char *node = json_text(inserted, "node-name"), *shown = json_text(inserted, "file");
	const char *backend = json_text(block, "device");

	if (!node || !shown || !image)
		return err_set(e, "QEMU tells too little of its disk '%s'", backend ? backend : "?");
	d->backend = text_of("%s", backend ? backend : "");
	d->node = text_copy(node);
	d->qdev = text_copy(json_text(block, "qdev"));
	d->shown = text_copy(shown);
	d->device =
		text_copy(d->backend[0] ? d->backend : users_node(node, json_text(inserted, "backing_file"), nodes));
	d->virtual_size = (uint64_t)json_int(image, "virtual-size", 0);
	d->read_only = json_flag(inserted, "ro");
	if (read_chain(d, s, image, e) < 0)
		return -1;
	if (!d->refusal)
		d->refusal = refusal_of(d->chain[0].path, image, inserted);
	return 0;
}

/* Since then query-block lists disks without a backend's name too, those of -blockdev and -device. */
#define ALL_LISTED_VERSION 30000

/* An older QEMU may have writable disks that it does not list: then nobody could say what is left out. */
static int check_listed(const struct survey *s, const json_t *nodes, struct err *e)
{
	const json_t *node;
	size_t i;

	if (s->version >= ALL_LISTED_VERSION)
		return 0;
	json_array_foreach(nodes, i, node) {
		const char *file = json_text(node, "file");
		bool known = json_flag(node, "ro") || !file;

		for (size_t k = 0; k < s->n_disks && !known; k++)
			known = strcmp(s->disks[k].shown, file) == 0;
		if (known)
			continue;
		err_set(e, "the VM may write to '%s', which this QEMU does not list as a disk", file);
		return err_hint(e, "start it with -drive instead of -blockdev");
	}
	return 0;
}

int survey_disks(struct survey *s, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *blocks = NULL;
	_cleanup_json_ json_t *nodes = NULL;
	const json_t *block;
	size_t i;

	if (qmp_run(q, "query-block", NULL, &blocks, e) < 0)
		return -1;
	/* "flat" came with QEMU 5.0; without it each node repeats its whole chain */
	if (qmp_run(q, "query-named-block-nodes", s->version >= 50000 ? json_of("{s:b}", "flat", 1) : NULL, &nodes, e) <
	    0)
		return -1;
	s->nodes = memory_of(json_array_size(nodes), sizeof(*s->nodes));
	json_array_foreach(nodes, i, block)
		if (json_text(block, "node-name"))
			s->nodes[s->n_nodes++] = text_copy(json_text(block, "node-name"));
	s->disks = memory_of(json_array_size(blocks), sizeof(*s->disks));
	json_array_foreach(blocks, i, block) {
		if (!json_object_get(block, "inserted"))
			continue;
		if (read_disk(&s->disks[s->n_disks++], s, block, nodes, e) < 0)
			return -1;
	}
	return check_listed(s, nodes, e);
}

const json_t *disk_find(const json_t *blocks, const struct disk *d)
{
	const json_t *block;
	size_t i;

	json_array_foreach(blocks, i, block) {
		const char *backend = json_text(block, "device"), *qdev = json_text(block, "qdev");

		if (d->backend[0] ? backend && strcmp(backend, d->backend) == 0
				  : d->qdev && qdev && strcmp(qdev, d->qdev) == 0)
			return json_object_get(block, "inserted");
	}
	return NULL;
}
