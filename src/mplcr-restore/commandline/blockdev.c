/* SPDX-License-Identifier: MIT */
/*
 * Rule "disks" of commandline.h for -blockdev, where an image is a tree of nodes: a format node on a protocol node,
 * perhaps under filters. A node is written inside the one above it ("file.driver=…"), or is another -blockdev that is
 * referred to by its node name ("file=NODE").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "commandline/impl.h"
#include "base/text.h"
#include "commandline/optvalue.h"

#define MAX_DEPTH 16

/* A node: its argument, and the prefix of its members' names there ("", "file."). */
struct node_options {
	struct arg *arg;
	struct optvalue o; /* the argument's value */
	char prefix[8 * MAX_DEPTH];
};

static void node_options_release(struct node_options *s)
{
	optvalue_release(&s->o);
}

#define _cleanup_options_ __attribute__((cleanup(node_options_release)))

static void node_options_enter(struct node_options *s, struct arg *arg)
{
	optvalue_release(&s->o);
	*s = (struct node_options){ .arg = arg };
	optvalue_parse(&s->o, arg->value, "driver");
}

static const char *member(const struct node_options *s, const char *key)
{
	_cleanup_free_ char *whole = text_of("%s%s", s->prefix, key);

	return optvalue_get(&s->o, whole);
}

static bool has_member(const struct node_options *s, const char *key)
{
	_cleanup_free_ char *whole = text_of("%s%s", s->prefix, key);

	return optvalue_has(&s->o, whole);
}

static void set_member(struct node_options *s, const char *key, const char *value)
{
	_cleanup_free_ char *whole = text_of("%s%s", s->prefix, key);

	optvalue_set(&s->o, whole, value);
}

static void remove_member(struct node_options *s, const char *key)
{
	_cleanup_free_ char *whole = text_of("%s%s", s->prefix, key);

	optvalue_remove(&s->o, whole);
}

static void node_options_store(struct node_options *s)
{
	arg_set_value(s->arg, optvalue_text(&s->o));
}

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; word && i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static bool is_filter(const char *driver)
{
	static const char *const filters[] = { "throttle", "copy-on-read", "compress", "preallocate", "blkdebug" };

	return is_one_of(driver, filters, sizeof(filters) / sizeof(*filters));
}

static bool is_protocol(const char *driver)
{
	static const char *const protocols[] = { "file", "host_device" };

	return is_one_of(driver, protocols, sizeof(protocols) / sizeof(*protocols));
}

struct arg *blockdev_by_name(const struct args *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++) {
		_cleanup_optvalue_ struct optvalue o = { 0 };
		const char *have;

		if (!arg_is(&a->items[i], "blockdev") || !a->items[i].value)
			continue;
		optvalue_parse(&o, a->items[i].value, "driver");
		have = optvalue_get(&o, "node-name");
		if (have && strcmp(have, name) == 0)
			return &a->items[i];
	}
	return NULL;
}

/* Goes from a node to the one that is its `file`. Returns whether there is one. */
static bool go_down(const struct args *a, struct node_options *s)
{
	const char *name = member(s, "file");
	struct arg *arg = name ? blockdev_by_name(a, name) : NULL;

	if (arg) {
		node_options_enter(s, arg);
		return true;
	}
	if (name || !has_member(s, "file") || strlen(s->prefix) + 6 > sizeof(s->prefix))
		return false;
	strcat(s->prefix, "file.");
	return true;
}

/* Goes to the format node of the tree whose top is `arg`, or to the protocol node where it has no other. */
static bool find_format(const struct args *a, struct arg *arg, struct node_options *s)
{
	node_options_enter(s, arg);
	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		if (!is_filter(member(s, "driver")))
			return true;
		if (!go_down(a, s))
			return false;
	}
	return false;
}

/* Whether another -blockdev refers to the node `name`. */
static bool is_below_another(const struct args *a, const char *name)
{
	static const char *const keys[] = { "file", "backing", "file.file", "file.backing", "backing.file" };

	for (size_t i = 0; i < a->n; i++) {
		_cleanup_optvalue_ struct optvalue o = { 0 };

		if (!arg_is(&a->items[i], "blockdev") || !a->items[i].value)
			continue;
		optvalue_parse(&o, a->items[i].value, "driver");
		for (size_t j = 0; j < sizeof(keys) / sizeof(*keys); j++) {
			const char *value = optvalue_get(&o, keys[j]);

			if (value && strcmp(value, name) == 0)
				return true;
		}
	}
	return false;
}

int blockdev_chain_index(const struct commandline_request *r, const struct args *a, const struct arg *arg,
			 const struct manifest_disk *disk)
{
	_cleanup_options_ struct node_options s = { 0 };
	const char *name;

	if (!find_format(a, (struct arg *)arg, &s))
		return -1;
	name = optvalue_get(&s.o, "node-name");
	if (s.arg == arg && name && is_below_another(a, name))
		return -1;
	if (!is_protocol(member(&s, "driver")) && !go_down(a, &s))
		return -1;
	name = member(&s, "filename");
	return name ? disk_chain_index(r, disk, name) : -1;
}

/* Makes a protocol node that serves a disk by itself the `file` of a format node in its place. */
static void push_down(struct node_options *s)
{
	static const char *const own[] = { "filename", "aio", "aio-max-batch", "locking", "pr-manager", "drop-cache",
					   "x-check-cache-dropped" };

	remove_member(s, "driver");
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
		_cleanup_free_ char *from = text_of("%s%s", s->prefix, own[i]);
		_cleanup_free_ char *to = text_of("%sfile.%s", s->prefix, own[i]);

		optvalue_rename(&s->o, from, to);
	}
}

/* The nodes under a backing file that was named by its node are not needed any more. */
static void free_backing(const struct args *a, struct node_options *s)
{
	const char *name = member(s, "backing");
	struct arg *arg = name ? blockdev_by_name(a, name) : NULL;

	if (arg)
		arg->freed = true;
	remove_member(s, "backing");
}

/* Gives the format node at `s` the image at `path` through the protocol node below it. */
static void set_image(const struct args *a, struct node_options *s, const char *path)
{
	const char *name = member(s, "file");
	struct arg *below = name ? blockdev_by_name(a, name) : NULL;

	if (!below) {
		if (name)
			remove_member(s, "file");
		set_member(s, "file.driver", "file");
		set_member(s, "file.filename", path);
		node_options_store(s);
		return;
	}
	node_options_store(s);
	node_options_enter(s, below);
	set_member(s, "driver", "file");
	set_member(s, "filename", path);
	node_options_store(s);
}

int blockdev_replace(struct args *a, struct arg *arg, const struct manifest_disk *disk, const char *overlay,
		     struct err *e)
{
	_cleanup_options_ struct node_options s = { 0 };

	if (!find_format(a, arg, &s))
		return err_set(e, "cannot find the image of disk '%s' in: -blockdev %s", disk->device, arg->value);
	if (overlay) {
		if (disk_refuse_special(disk, &s.o, s.prefix, e) < 0)
			return -1;
		if (is_protocol(member(&s, "driver")))
			push_down(&s);
		set_member(&s, "driver", "qcow2");
		free_backing(a, &s);
		set_image(a, &s, overlay);
		return 0;
	}
	if (is_protocol(member(&s, "driver"))) {
		set_member(&s, "filename", disk->chain[0].path);
		node_options_store(&s);
		return 0;
	}
	if (disk->n_chain > 1) {
		free_backing(a, &s);
		disk_describe_backing(disk, &s.o, s.prefix);
	}
	set_image(a, &s, disk->chain[0].path);
	return 0;
}

/* Whether any other argument speaks of the node `name`. */
static bool is_mentioned(const struct args *a, size_t except, const char *name)
{
	for (size_t i = 0; i < a->n; i++)
		if (i != except && a->items[i].value && strstr(a->items[i].value, name))
			return true;
	return false;
}

/* Drops the freed node at `i`, and frees those below it, unless something else needs it. */
static bool drop_freed(struct args *a, size_t i)
{
	static const char *const keys[] = { "file", "backing" };
	_cleanup_optvalue_ struct optvalue o = { 0 };
	const char *name;

	optvalue_parse(&o, a->items[i].value, "driver");
	name = optvalue_get(&o, "node-name");
	if (!name || is_mentioned(a, i, name))
		return false;
	for (size_t j = 0; j < sizeof(keys) / sizeof(*keys); j++) {
		const char *below = optvalue_get(&o, keys[j]);
		struct arg *arg = below ? blockdev_by_name(a, below) : NULL;

		if (arg)
			arg->freed = true;
	}
	args_remove_at(a, i);
	return true;
}

void blockdev_drop_unused(struct args *a)
{
	size_t i = 0;

	while (i < a->n) {
		if (a->items[i].freed && drop_freed(a, i))
			i = 0;
		else
			i++;
	}
}
