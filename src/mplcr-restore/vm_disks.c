/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "qemu/nodes.h"
#include "restore.h"

/* The disk of query-block's answer whose image is the file `path`: its "inserted"; NULL where there is none. */
static const json_t *disk_of_file(const json_t *blocks, const char *path)
{
	const json_t *block;
	size_t i;

	json_array_foreach(blocks, i, block) {
		const json_t *inserted = json_object_get(block, "inserted");
		const char *file = json_text(inserted, "file");
		const char *image = json_string_value(json_path(inserted, "image", "filename", NULL));

		if ((file && strcmp(file, path) == 0) || (image && strcmp(image, path) == 0))
			return inserted;
	}
	return NULL;
}

/* The frozen image below the overlay must be as large as it was: else the manifest is about another one. */
static int check_size(const struct manifest_disk *disk, const json_t *node, struct err *e)
{
	int64_t size = json_int(json_path(node, "image", "backing-image", NULL), "virtual-size", -1);

	if (size < 0 || (uint64_t)size == disk->virtual_size)
		return 0;
	return err_set(e, "disk '%s': '%s' has %lld bytes for the guest, the manifest says %llu", disk->device,
		       disk->chain[0].path, (long long)size, (unsigned long long)disk->virtual_size);
}

static int check_disk(const struct plan *p, size_t i, const json_t *blocks, const json_t *nodes, struct err *e)
{
	const struct manifest_disk *disk = &p->m->disks[i];
	const struct node_wanted wanted = { .path = p->overlays[i] };
	const json_t *open = disk_of_file(blocks, p->overlays[i]);

	if (!open)
		open = node_find(nodes, &wanted);
	if (!open)
		return err_set(e, "QEMU has not opened the fresh overlay of disk '%s'", disk->device);
	return check_size(disk, open, e);
}

/* No frozen image may be open for writing, which a command line that the user wrote could ask for. */
static int check_frozen(const struct plan *p, const json_t *nodes, struct err *e)
{
	const struct manifest *m = p->m;

	for (size_t i = 0; i < m->n_disks; i++)
		for (size_t j = 0; j < m->disks[i].n_chain; j++) {
			const struct node_wanted wanted = { .path = m->disks[i].chain[j].path, .writable = true };

			if (!node_find(nodes, &wanted))
				continue;
			err_set(e, "QEMU opens the frozen image '%s' for writing", wanted.path);
			return err_hint(e, "write {disk:%s} in its place", m->disks[i].device);
		}
	return 0;
}

int vm_check_disks(struct vm *vm, const struct plan *p, struct err *e)
{
	_cleanup_json_ json_t *blocks = NULL, *nodes = NULL;

	if (qmp_run(vm->qmp, "query-block", NULL, &blocks, e) < 0 ||
	    nodes_read(vm->qmp, &nodes, e) < 0)
		return -1;
	for (size_t i = 0; i < p->m->n_disks; i++)
		if (p->overlays[i] && p->c.used[i] && check_disk(p, i, blocks, nodes, e) < 0)
			return -1;
	return check_frozen(p, nodes, e);
}
