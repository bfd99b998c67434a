/* SPDX-License-Identifier: MIT */
#include "changes.h"
#include "patched/patched.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "checkpoint/store.h"
#include "checkpoint/unfinished/unfinished.h"

/* How long QEMU may still be busy with an earlier migration. */
#define BUSY_MS 300

struct changes *changes_new(struct err *e)
{
	void *p = mmap(NULL, sizeof(struct changes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		err_sys(e, errno, "cannot get memory for the list of changes");
		return NULL;
	}
	return p;
}

/* The publishing rename is atomic: it is done exactly if the final name exists and the partial one does not. */
static bool is_published(const struct changes *c)
{
	return c->partial[0] && access(c->partial, F_OK) < 0 && access(c->final, F_OK) == 0;
}

bool changes_any(const struct changes *c)
{
	if (is_published(c))
		return false;
	return c->run_state || c->migration || patch_any(&c->patch) || c->pipe || c->capabilities[0] ||
	       c->parameters[0] || c->claiming[0] || c->partial[0] || c->n_overlays > 0;
}

static json_t *capability_list(const json_t *states)
{
	json_t *list = json_array(), *state;
	const char *name;

	json_object_foreach((json_t *)states, name, state)
		json_array_append_new(list, json_of("{s:s, s:O}", "capability", name, "state", state));
	return list;
}

/* Collects the members of `wanted` that differ from `now`, and the values of `now` for them. */
static void differences(const json_t *now, json_t *wanted, json_t *set, json_t *back)
{
	const char *name;
	json_t *value;

	json_object_foreach(wanted, name, value) {
		json_t *old = json_object_get(now, name);

		if (old && !json_equal(old, value)) {
			json_object_set(set, name, value);
			json_object_set(back, name, old);
		}
	}
}

/* Writes `value` as text into `room`, where the guardian finds it too. */
static int store(char *room, size_t size, const json_t *value, struct err *e)
{
	size_t n = json_dumpb(value, room, size - 1, JSON_COMPACT);

	if (n == 0 || n >= size) {
		room[0] = '\0';
		return err_set(e, "QEMU has more migration settings than we can store");
	}
	room[n] = '\0';
	return 0;
}

int changes_note(const struct changes *c, struct err *e)
{
	_cleanup_json_ json_t *capabilities = json_loads(c->capabilities, 0, NULL);
	_cleanup_json_ json_t *parameters = json_loads(c->parameters, 0, NULL);
	_cleanup_json_ json_t *patch = patch_any(&c->patch) ? patch_to_json(&c->patch) : NULL;
	const struct unfinished now = {
		.at_work = c->at_work,
		.unbreakable = c->unbreakable,
		.capabilities = capabilities,
		.parameters = parameters,
		.patch = patch,
	};

	return c->journal ? unfinished_note(c->journal, &now, e) : 0;
}

int changes_note_work(struct changes *c, struct err *e)
{
	if (c->at_work)
		return 0;
	c->at_work = true;
	return changes_note(c, e);
}

/*
 * While QEMU still cleans up after an earlier background snapshot, its memory is registered with that one's
 * userfaultfd, and a new one is "not compatible with guest memory configuration". This passes in a moment, so try
 * again.
 */
static int send_capabilities(struct qmp *q, json_t *list, struct err *e)
{
	int64_t until = clock_in_ms(BUSY_MS);

	for (;; clock_sleep_ms(10)) {
		if (qmp_run(q, "migrate-set-capabilities", json_of("{s:O}", "capabilities", list), NULL, e) == 0)
			return 0;
		if (!qmp_alive(q) || !strstr(e->text, "not compatible with guest memory") || clock_ns() > until)
			return -1;
	}
}

int changes_capabilities(struct changes *c, struct qmp *q, const json_t *now, json_t *wanted, struct err *e)
{
	_cleanup_json_ json_t *set = json_object();
	_cleanup_json_ json_t *back = json_object();
	_cleanup_json_ json_t *set_list = NULL;
	_cleanup_json_ json_t *back_list = NULL;

	differences(now, wanted, set, back);
	if (json_object_size(set) == 0)
		return 0;
	set_list = capability_list(set);
	back_list = capability_list(back);
	if (store(c->capabilities, sizeof(c->capabilities), back_list, e) < 0)
		return -1;
	return changes_note(c, e) < 0 ? -1 : send_capabilities(q, set_list, e);
}

int changes_parameters(struct changes *c, struct qmp *q, const json_t *now, json_t *wanted, struct err *e)
{
	_cleanup_json_ json_t *set = json_object();
	_cleanup_json_ json_t *back = json_object();

	differences(now, wanted, set, back);
	if (json_object_size(set) == 0)
		return 0;
	if (c->parameters[0]) { /* earlier changes must be put back, too */
		_cleanup_json_ json_t *before = json_loads(c->parameters, 0, NULL);

		json_object_update_missing(back, before);
	}
	if (store(c->parameters, sizeof(c->parameters), back, e) < 0 || changes_note(c, e) < 0)
		return -1;
	return qmp_run(q, "migrate-set-parameters", json_incref(set), NULL, e);
}

/* Settings that could not be put back stay on the list: after an interruption, the undo of the rest handles them. */
int changes_put_back(struct changes *c, struct qmp *q, struct err *e)
{
	int result = 0;

	if (c->parameters[0]) {
		if (qmp_run(q, "migrate-set-parameters", json_loads(c->parameters, 0, NULL), NULL, e) == 0)
			c->parameters[0] = '\0';
		else
			result = -1;
	}
	if (c->capabilities[0]) {
		_cleanup_json_ json_t *list = json_loads(c->capabilities, 0, NULL);

		if (send_capabilities(q, list, e) == 0)
			c->capabilities[0] = '\0';
		else
			result = -1;
	}
	return result;
}

struct changed_overlay *changes_add_overlay(struct changes *c, const char *path, const char *node, const char *below,
					    const char *below_path)
{
	struct changed_overlay *o = &c->overlays[c->n_overlays];

	snprintf(o->path, sizeof(o->path), "%s", path);
	snprintf(o->node, sizeof(o->node), "%s", node);
	snprintf(o->below, sizeof(o->below), "%s", below);
	snprintf(o->below_path, sizeof(o->below_path), "%s", below_path);
	c->n_overlays++; /* the guardian counts on what is before it */
	return o;
}

/* Whoever reads it meanwhile finds no name that is cut off. */
void changes_claiming(struct changes *c, const char *path)
{
	c->claiming[0] = '\0';
	if (!path || !path[0])
		return;
	snprintf(c->claiming + 1, sizeof(c->claiming) - 1, "%s", path + 1);
	atomic_signal_fence(memory_order_seq_cst);
	c->claiming[0] = path[0];
}

void changes_unclaim(struct changes *c)
{
	struct stat st;

	if (!c->claiming[0] || lstat(c->claiming, &st) < 0)
		return;
	if (S_ISDIR(st.st_mode))
		store_unclaim(c->claiming);
	else if (S_ISREG(st.st_mode) && st.st_size == 0)
		unlink(c->claiming);
	c->claiming[0] = '\0';
}

/* Takes each off the list before freeing it: then somebody else may own it. */
void changes_release_names(struct changes *c)
{
	char partial[PATH_MAX];

	while (c->n_overlays > 0) {
		char path[PATH_MAX];

		memcpy(path, c->overlays[c->n_overlays - 1].path, sizeof(path));
		c->n_overlays--;
		unlink(path);
	}
	memcpy(partial, c->partial, sizeof(partial));
	c->partial[0] = '\0';
	if (partial[0])
		rmdir(partial);
}
