/* SPDX-License-Identifier: MIT */
#include "qemu/overlay_set.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "qemu/overlay.h"

int overlay_set_claim(struct overlay_set *s, const struct vm_process *vm, overlay_claimed *claimed, void *ctx,
		      struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		struct disk_overlay *o = &s->list[i];

		if (claimed)
			claimed(ctx, o);
		if (overlay_claim(o->path, vm->uid, vm->gid, e) < 0)
			return -1;
		o->claimed = true;
		if (claimed)
			claimed(ctx, o);
	}
	return 0;
}

int overlay_set_create(const struct overlay_set *s, int64_t deadline, int interrupt, struct err *e)
{
	_cleanup_free_ struct overlay *list = memory_of(s->n, sizeof(*list));

	for (size_t i = 0; i < s->n; i++) {
		const struct disk_overlay *o = &s->list[i];

		list[i] = (struct overlay){ o->path, o->backing, o->disk->chain[0].format, o->disk->virtual_size };
	}
	if (overlay_create(list, s->n, deadline, interrupt, e) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		if (path_sync(s->list[i].path, e) < 0)
			return -1;
	return 0;
}

int overlay_set_put(const struct overlay_set *s, struct qmp *q, struct err *e)
{
	json_t *actions = json_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct disk_overlay *o = &s->list[i];

		json_array_append_new(actions, overlay_action(o->disk->backend, o->disk->node, o->path, o->node));
	}
	if (s->n == 0) {
		json_decref(actions);
		return 0;
	}
	if (qmp_run(q, "transaction", json_of("{s:o}", "actions", actions), NULL, e) < 0)
		return err_prefix(e, "cannot freeze the disks");
	return 0;
}

bool overlay_is_active(const struct disk_overlay *o, const json_t *blocks)
{
	const json_t *inserted = disk_find(blocks, o->disk);
	const char *is = json_text(inserted, o->node[0] ? "node-name" : "file");

	return is && strcmp(is, o->node[0] ? o->node : o->path) == 0;
}

int overlay_set_count(const struct overlay_set *s, struct qmp *q, size_t *active, struct err *e)
{
	_cleanup_json_ json_t *blocks = NULL;

	*active = 0;
	if (qmp_run(q, "query-block", NULL, &blocks, e) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		*active += overlay_is_active(&s->list[i], blocks);
	return 0;
}

int overlay_set_sync(const struct overlay_set *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		_cleanup_free_ char *dir = path_dir(s->list[i].path);

		if (path_sync(s->list[i].disk->chain[0].path, e) < 0 || path_sync(dir, e) < 0)
			return -1;
	}
	return 0;
}

void overlay_set_remove(const struct overlay_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].claimed)
			unlink(s->list[i].path);
}
