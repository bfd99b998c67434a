/* SPDX-License-Identifier: MIT */
#include "qemu/overlay_name.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"

#define MAX_NAME 100
#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

int overlay_name_check(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0 || n > MAX_NAME || name[0] == '.' || name[0] == '-' || strspn(name, NAME_BYTES) != n)
		return err_usage(e,
				 "--name: '%s' is not a name: letters, digits, '.', '_' and '-', at most %d of them, "
				 "not beginning with '.' or '-'",
				 name, MAX_NAME);
	return 0;
}

bool overlay_name_is(const char *path)
{
	size_t n = strlen(path);

	return n > 4 && strcmp(path + n - 4, ".ovl") == 0;
}

char *overlay_name_stem(const char *path)
{
	const char *base = path_base(path), *dot = strrchr(base, '.');

	return text_of("%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base), base);
}

/*
 * What the name of an overlay on the image `path` begins with: the image's own, where that is not an overlay; else the
 * image's without the name of what froze it, so that snap_01.ovl is followed by snap_x1.ovl and that by snap_x2.ovl.
 */
static char *overlay_base(const char *path, const char *parent)
{
	char *stem = overlay_name_stem(path), *cut;
	size_t n = strlen(stem), length = parent ? strlen(parent) : 0;

	if (!overlay_name_is(path))
		return stem;
	if (length && n > length + 1 && stem[n - length - 1] == '_' && strcmp(stem + n - length, parent) == 0)
		cut = stem + n - length - 1;
	else
		cut = strrchr(stem, '_');
	if (cut && cut > stem)
		*cut = '\0';
	return stem;
}

char *overlay_name_device(const char *device)
{
	char *name = text_copy(device);

	for (char *c = name; *c; c++)
		if (!strchr(NAME_BYTES, *c))
			*c = '-';
	return name;
}

int overlay_name_utf8(const char *path, struct err *e)
{
	json_t *text = json_string_of(path);
	bool same = strcmp(json_string_value(text), path) == 0;

	json_decref(text);
	return same ? 0 : err_set(e, "'%s' is not valid UTF-8: QEMU cannot be told that name", path);
}

static bool is_taken(const struct overlay_wish *list, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(list[k].path, list[i].path) == 0)
			return true;
	return false;
}

static void usual_path(struct overlay_wish *list, size_t i, const char *name, const char *parent)
{
	struct overlay_wish *w = &list[i];
	_cleanup_free_ char *base = overlay_base(w->image, parent), *device = overlay_name_device(w->device);
	_cleanup_free_ char *dir = w->dir ? text_copy(w->dir) : path_dir(w->image);

	if (strcmp(dir, "/") == 0)
		dir[0] = '\0';
	w->path = text_of("%s/%s_%s.ovl", dir, base, name);
	if (!is_taken(list, i))
		return;
	free(w->path);
	w->path = text_of("%s/%s-%s_%s.ovl", dir, base, device, name);
}

static int find_path(struct overlay_wish *list, size_t i, const char *name, const char *parent, struct err *e)
{
	struct overlay_wish *w = &list[i];

	if (!w->file)
		usual_path(list, i, name, parent);
	else if (!(w->path = path_real_parent(w->file)))
		return err_sys(e, errno, "cannot use the directory of the overlay '%s'", w->file);
	if (is_taken(list, i))
		return err_usage(e, "two disks would get the same overlay '%s'", w->path);
	if (strlen(w->path) >= PATH_MAX || strlen(path_base(w->path)) > NAME_MAX)
		return err_sys(e, ENAMETOOLONG, "cannot create the overlay '%s'", w->path);
	return overlay_name_utf8(w->path, e);
}

int overlay_name_paths(struct overlay_wish *list, size_t n, const char *name, const char *parent, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (find_path(list, i, name, parent, e) < 0)
			return -1;
	return 0;
}

void overlay_name_node(char node[OVERLAY_NODE_SIZE], const char *name, size_t i, char *const *nodes, size_t n,
		       unsigned *salt)
{
	bool taken;

	do {
		taken = false;
		if (strlen(name) <= 16 && *salt == 0)
			snprintf(node, OVERLAY_NODE_SIZE, "mplcr-%.16s-%u", name, (unsigned)i % 1000);
		else
			snprintf(node, OVERLAY_NODE_SIZE, "mplcr-%.10s-%u-%u", name, *salt % 100000,
				 (unsigned)i % 1000);
		for (size_t k = 0; k < n; k++)
			taken |= strcmp(nodes[k], node) == 0;
		*salt += taken;
	} while (taken);
}
