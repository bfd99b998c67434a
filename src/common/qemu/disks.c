/* SPDX-License-Identifier: MIT */
#include "qemu/disks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "image/name.h"
#include "qemu/image_path.h"
#include "qemu/nodes.h"
#include "qemu/versions.h"

/* A chain deeper than this is taken for a loop. */
#define MAX_DEPTH 1024

/* Our own overlays' nodes begin with this, so that the user's node name can be found below them. */
#define OUR_NODES "mplcr-"

/* Why the image cannot be frozen at all, malloc'd; NULL where it can. */
static char *refusal_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return text_of("'%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return text_of("'%s' is a device passed through, not an image file", path);
	return NULL;
}

/* Whether a block node of QEMU is that file. */
static bool is_open(const char *path, const struct vm_process *vm, const json_t *nodes)
{
	const struct node_wanted wanted = { .path = path, .vm = vm };

	return node_find(nodes, &wanted) != NULL;
}

/* Formats whose header can be given another backing file's name (QEMU, bdrv_change_backing_file). */
static bool can_relink(const struct disk *d)
{
	return strcmp(d->chain[0].format, "qcow2") == 0 || strcmp(d->chain[0].format, "qed") == 0;
}

/*
 * Why the image cannot be frozen by a clone, malloc'd; NULL where it can. A clone lies in another directory, so that
 * the names in its header may have to be rewritten, which qemu-img cannot do where it has no key.
 */
static char *clone_refusal_of(const struct disk *d, const struct vm_process *vm, const json_t *nodes)
{
	const struct vm_image *image = &d->chain[0];
	const char *backing = d->backing_name;
	bool stays = !backing || backing[0] == '/' || image_name_is_json(backing);

	if (d->sealed && !stays)
		return text_of("'%s' is encrypted and names its backing file '%s' by a relative name, which a clone of "
			       "it could not follow",
			       image->path, backing);
	if (d->sealed && image->data)
		return text_of("'%s' is encrypted and has an external data file, which a clone of it could not name",
			       image->path);
	if (d->n_chain > 1 && !stays && !can_relink(d))
		return text_of("a clone of '%s' could not name its backing file: qemu-img cannot rewrite that in "
			       "format '%s'",
			       image->path, image->format);
	if (image->data && !is_open(image->data->path, vm, nodes))
		return text_of("QEMU does not have '%s' open, the data file that the header of '%s' names",
			       image->data->path, image->path);
	return NULL;
}

/*
 * Under an overlay QEMU opens a raw image again, read-only, by the name that it was given (QEMU block/file-posix.c,
 * raw_reconfigure_getfd). A relative one leads nowhere where it has changed its directory since: with -daemonize, to "/".
 */
static bool can_be_reopened(const struct disk *d, const struct vm_process *vm)
{
	_cleanup_free_ char *name =
		image_name_is_json(d->shown) ? image_name_lowest_file(d->shown) : text_copy(d->shown);
	_cleanup_free_ char *there = NULL;

	if (strcmp(d->chain[0].format, "raw") != 0 || d->read_only || !vm || !vm->proc.cwd || !name || name[0] == '/')
		return true;
	there = path_join(vm->proc.cwd, name);
	return image_same(there, d->chain[0].path);
}

/* What speaks against each way of freezing the disk. */
static void read_refusals(struct disk *d, const struct vm_process *vm, const json_t *inserted, const json_t *nodes)
{
	if (!d->refusal)
		d->refusal = refusal_of(d->chain[0].path);
	if (d->refusal)
		return;
	d->sealed = json_flag(json_object_get(inserted, "image"), "encrypted") || json_flag(inserted, "encrypted");
	if (d->sealed)
		d->overlay_refusal =
			text_of("'%s' is encrypted, and an overlay would hold its data in clear", d->chain[0].path);
	else if (!can_be_reopened(d, vm))
		d->overlay_refusal = text_of("QEMU calls '%s' '%s' and has changed its directory to '%s' since, as with "
					     "-daemonize: for an overlay it would have to open it again. Start the VM "
					     "with absolute names",
					     d->chain[0].path, d->shown, vm->proc.cwd);
	d->clone_refusal = clone_refusal_of(d, vm, nodes);
}

static const char *format_of(const json_t *image)
{
	const char *format = json_text(image, "format");

	return format && strcmp(format, "file") != 0 ? format : "raw";
}

/* The external data file of a qcow2 image, which QEMU takes as relative to its own working directory; or NULL. */
static struct vm_image *data_file(const json_t *image, const struct vm_process *vm)
{
	const char *shown = json_string_value(json_path(image, "format-specific", "data", "data-file", NULL));
	char *path = shown ? vm_image_path(vm, shown) : NULL;
	struct vm_image *data;

	if (!path)
		return NULL;
	data = memory_of(1, sizeof(*data));
	data->path = path;
	data->format = text_copy("raw");
	return data;
}

/* Fills d->chain from the nested "image" of query-block. */
static int read_chain(struct disk *d, const struct vm_process *vm, const json_t *image, struct err *e)
{
	size_t depth = 0;

	for (const json_t *at = image; at; at = json_object_get(at, "backing-image"))
		if (++depth > MAX_DEPTH)
			return err_set(e, "disk '%s' has a backing chain of more than %d images", d->device, MAX_DEPTH);
	d->chain = memory_of(depth, sizeof(*d->chain));
	for (const json_t *at = image; at; at = json_object_get(at, "backing-image")) {
		const char *shown = json_text(at, "filename");
		struct vm_image *i = &d->chain[d->n_chain++];

		if (!shown)
			return err_set(e, "QEMU does not tell the file of disk '%s'", d->device);
		i->path = vm_image_path(vm, shown);
		i->format = text_copy(format_of(at));
		i->data = data_file(at, vm);
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
		const struct node_wanted wanted = { .path = backing };
		const json_t *next = node_find(nodes, &wanted);

		if (!next || node_is_file(next) || !json_text(next, "node-name"))
			break;
		node = json_text(next, "node-name");
		backing = json_text(next, "backing_file");
	}
	return node;
}

static int read_disk(struct disk *d, const struct vm_process *vm, const json_t *block, const json_t *nodes,
		     struct err *e)
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
	d->backing_name = text_copy(json_text(image, "backing-filename"));
	if (read_chain(d, vm, image, e) < 0)
		return -1;
	read_refusals(d, vm, inserted, nodes);
	return 0;
}

/* An older QEMU may have writable disks that it does not list: then nobody could say what is left out. */
static int check_listed(const struct vm_disks *v, int version, const json_t *nodes, struct err *e)
{
	const json_t *node;
	size_t i;

	if (version >= QEMU_LISTS_ALL_DISKS)
		return 0;
	json_array_foreach(nodes, i, node) {
		const char *file = json_text(node, "file");
		bool known = json_flag(node, "ro") || !file;

		for (size_t k = 0; k < v->n_disks && !known; k++)
			known = strcmp(v->disks[k].shown, file) == 0;
		if (known)
			continue;
		err_set(e, "the VM may write to '%s', which this QEMU does not list as a disk", file);
		return err_hint(e, "start it with -drive instead of -blockdev");
	}
	return 0;
}

static int read_disks(struct vm_disks *v, const struct vm_process *vm, const json_t *blocks, const json_t *nodes,
		      struct err *e)
{
	const json_t *block;
	size_t i;

	v->disks = memory_of(json_array_size(blocks), sizeof(*v->disks));
	json_array_foreach(blocks, i, block) {
		if (!json_object_get(block, "inserted"))
			continue;
		if (read_disk(&v->disks[v->n_disks++], vm, block, nodes, e) < 0)
			return -1;
	}
	return 0;
}

int vm_disks_read(struct vm_disks *v, struct qmp *q, const struct vm_process *vm, struct err *e)
{
	_cleanup_json_ json_t *blocks = NULL;
	_cleanup_json_ json_t *nodes = NULL;
	const json_t *node;
	size_t i;

	*v = (struct vm_disks){ 0 };
	if (qmp_run(q, "query-block", NULL, &blocks, e) < 0 || nodes_read(q, &nodes, e) < 0)
		return -1;
	v->nodes = memory_of(json_array_size(nodes), sizeof(*v->nodes));
	json_array_foreach(nodes, i, node)
		if (json_text(node, "node-name"))
			v->nodes[v->n_nodes++] = text_copy(json_text(node, "node-name"));
	if (read_disks(v, vm, blocks, nodes, e) < 0)
		return -1;
	return check_listed(v, qmp_version(q), nodes, e);
}

static void image_release(struct vm_image *image)
{
	free(image->path);
	free(image->format);
	if (image->data)
		image_release(image->data);
	free(image->data);
}

static void disk_release(struct disk *d)
{
	free(d->device);
	free(d->backend);
	free(d->node);
	free(d->qdev);
	free(d->shown);
	free(d->refusal);
	free(d->overlay_refusal);
	free(d->clone_refusal);
	free(d->backing_name);
	for (size_t i = 0; i < d->n_chain; i++)
		image_release(&d->chain[i]);
	free(d->chain);
}

void vm_disks_release(struct vm_disks *v)
{
	for (size_t i = 0; i < v->n_disks; i++)
		disk_release(&v->disks[i]);
	free(v->disks);
	for (size_t i = 0; i < v->n_nodes; i++)
		free(v->nodes[i]);
	free(v->nodes);
}

bool disk_has_name(const struct disk *d, const char *name)
{
	return strcmp(name, d->device) == 0 || strcmp(name, d->node) == 0 || (d->qdev && strcmp(name, d->qdev) == 0);
}

int disk_unknown(const char *option, const char *name, const struct disk *disks, size_t n, struct err *e)
{
	char known[256] = "";

	for (size_t i = 0; i < n; i++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), " %s", disks[i].device);
	err_usage(e, "%s: the VM has no disk '%s'", option, name);
	return err_hint(e, "its disks are:%s", known[0] ? known : " none");
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

char *disk_backing_name(const struct disk *d, const char *overlay)
{
	_cleanup_free_ char *dir = path_dir(overlay);
	_cleanup_free_ char *there = path_join(dir, d->shown);
	_cleanup_free_ char *real = path_real(there);

	if (real && strcmp(real, d->chain[0].path) == 0 && !strchr(d->shown, ':'))
		return text_copy(d->shown);
	return text_copy(d->chain[0].path);
}
