/* SPDX-License-Identifier: MIT */
#include "qemu/nodes.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "qemu/image_path.h"
#include "qemu/versions.h"

int nodes_read(struct qmp *q, json_t **nodes, struct err *e)
{
	bool can_be_flat = qmp_version(q) >= QEMU_FLAT_NODES;

	return qmp_run(q, "query-named-block-nodes", can_be_flat ? json_of("{s:b}", "flat", 1) : NULL, nodes, e);
}

static bool is_text(const json_t *node, const char *key, const char *wanted)
{
	const char *text = json_text(node, key);

	return text && wanted && wanted[0] && strcmp(text, wanted) == 0;
}

bool node_is_file(const json_t *node)
{
	return !json_text(node, "drv") || is_text(node, "drv", "file");
}

/* Whether the name that QEMU shows for the node leads to the file. */
static bool leads_to(const json_t *node, const struct node_wanted *w)
{
	const char *shown = json_text(node, "file");
	_cleanup_free_ char *path = shown && w->vm && w->path ? vm_image_path(w->vm, shown) : NULL;

	return path && (strcmp(path, w->path) == 0 || image_same(path, w->path));
}

static bool is_allowed(const json_t *node, const struct node_wanted *w)
{
	return (!w->driver || is_text(node, "drv", w->driver)) && (!w->writable || !json_flag(node, "ro"));
}

static bool is_wanted(const json_t *node, const struct node_wanted *w)
{
	return is_text(node, "node-name", w->name) || is_text(node, "file", w->path);
}

static const json_t *find_by(const json_t *nodes, const struct node_wanted *w,
			     bool (*is)(const json_t *node, const struct node_wanted *w))
{
	const json_t *node, *found = NULL;
	size_t i;

	json_array_foreach(nodes, i, node) {
		if (!is_allowed(node, w) || !is(node, w))
			continue;
		if (!node_is_file(node))
			return node;
		found = found ? found : node;
	}
	return found;
}

const json_t *node_find(const json_t *nodes, const struct node_wanted *wanted)
{
	const json_t *found = find_by(nodes, wanted, is_wanted);

	return found || !wanted->vm ? found : find_by(nodes, wanted, leads_to);
}
