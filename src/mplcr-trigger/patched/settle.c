/* SPDX-License-Identifier: MIT */
/*
 * The patched QEMU makes all queued overlays at the end of a checkpoint's migration, or none (migration/migration.c of
 * the patch, migration_completion). So they are made where the VM uses one of them, or where the last migration is
 * completed and is another than the one before: that it failed to make them shows nowhere else.
 */
#include "patched/settle.h"
#include "patched/kept.h"
#include "patched/patched.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/json.h"
#include "qemu/nodes.h"
#include "qemu/qmp.h"

static struct kept_migration migration_of(const json_t *info)
{
	return (struct kept_migration){
		.ms = json_int(info, "total-time", 0),
		.bytes = json_int(json_object_get(info, "ram"), "transferred", 0),
	};
}

int settle_begin(struct kept *k, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *info = NULL;

	if (qmp_run(q, "query-migrate", NULL, &info, e) < 0)
		return -1;
	k->before = migration_of(info);
	k->at_risk = true;
	return 0;
}

static bool is_used(const struct kept *k, const json_t *nodes)
{
	for (size_t i = 0; i < k->n_queue; i++) {
		const struct node_wanted wanted = { .path = k->queue[i].file };

		if (node_find(nodes, &wanted))
			return true;
	}
	return false;
}

static bool has_completed_another(const struct kept *k, const json_t *info)
{
	const struct kept_migration last = migration_of(info);
	const char *status = json_text(info, "status");

	return status && strcmp(status, "completed") == 0 &&
	       (last.ms != k->before.ms || last.bytes != k->before.bytes);
}

int settle_queue(struct kept *k, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *nodes = NULL;
	_cleanup_json_ json_t *info = NULL;
	bool was_at_risk = k->at_risk, made;

	if (k->n_queue == 0)
		return 0;
	if (nodes_read(q, &nodes, e) < 0 || qmp_run(q, "query-migrate", NULL, &info, e) < 0)
		return -1;
	made = is_used(k, nodes) || (k->at_risk && has_completed_another(k, info));
	if (made)
		kept_queue_cut(k, 0);
	k->at_risk = false;
	return made || was_at_risk ? kept_store(k, e) : 0;
}

static bool is_sure(const struct kept *k)
{
	for (size_t i = 0; i < k->n_queue; i++)
		if (!k->queue[i].asked)
			return true;
	return false;
}

/* What cannot be found out now is found out when the next checkpoint begins. */
enum patch_queue patch_settle(struct qmp *q)
{
	enum patch_queue queue = PATCH_QUEUE_EMPTY;
	struct kept k;
	struct err ignored;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (qmp_peer(q, &pid, &uid, &gid, &ignored) < 0 || kept_load(&k, qmp_path(q), pid, &ignored) < 0)
		return queue;
	(void)!settle_queue(&k, q, &ignored);
	if (k.n_queue > 0)
		queue = is_sure(&k) ? PATCH_QUEUE_LEFT : PATCH_QUEUE_IN_DOUBT;
	kept_release(&k);
	return queue;
}

void patch_queue_tell(enum patch_queue queue)
{
	if (queue != PATCH_QUEUE_EMPTY)
		cli_warn("overlays %s queued in QEMU, which cannot take them back: its next checkpoint makes them",
			 queue == PATCH_QUEUE_LEFT ? "stay" : "may stay");
}
