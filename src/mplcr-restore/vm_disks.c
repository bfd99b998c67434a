/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "restore.h"

/* The answer's entry for the block node whose file is `path`: of query-block, or of query-named-block-nodes. */
static json_t *node_of_file(const json_t *answer, const char *path)
{
	size_t i;
	json_t *entry;

	json_array_foreach(answer, i, entry) {
		json_t *node = json_object_get(entry, "inserted");
		const char *file, *image;

		if (!node)
			node = entry;
		file = json_text(node, "file");
		image = json_string_value(json_path(node, "image", "filename", NULL));
		if ((file && strcmp(file, path) == 0) || (image && strcmp(image, path) == 0))
			return node;
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
	json_t *node = node_of_file(blocks, p->overlays[i]);

	if (!node)
		node = node_of_file(nodes, p->overlays[i]);
	if (!node)
		return err_set(e, "QEMU has not opened the fresh overlay of disk '%s'", disk->device);
	return check_size(disk, node, e);
}

/* No frozen image may be open for writing, which a command line that the user wrote could ask for. */
static int check_frozen(const struct plan *p, const json_t *nodes, struct err *e)
{
	const struct manifest *m = p->m;

	for (size_t i = 0; i < m->n_disks; i++)
		for (size_t j = 0; j < m->disks[i].n_chain; j++) {
			const char *path = m->disks[i].chain[j].path;
			size_t k;
			json_t *node;

			json_array_foreach(nodes, k, node) {
				const char *file = json_text(node, "file");

				if (!file || strcmp(file, path) != 0 || json_flag(node, "ro"))
					continue;
				err_set(e, "QEMU opens the frozen image '%s' for writing", path);
				return err_hint(e, "write {disk:%s} in its place", m->disks[i].device);
			}
		}
	return 0;
}

int vm_check_disks(struct vm *vm, const struct plan *p, struct err *e)
{
	_cleanup_json_ json_t *blocks = NULL, *nodes = NULL;

	if (qmp_run(vm->qmp, "query-block", NULL, &blocks, e) < 0 ||
	    qmp_run(vm->qmp, "query-named-block-nodes", NULL, &nodes, e) < 0)
		return -1;
	for (size_t i = 0; i < p->m->n_disks; i++)
		if (p->overlays[i] && p->c.used[i] && check_disk(p, i, blocks, nodes, e) < 0)
			return -1;
	return check_frozen(p, nodes, e);
}
