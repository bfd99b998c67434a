/* SPDX-License-Identifier: MIT */
/* Rule "disks" of commandline.h. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "commandline/impl.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/image_path.h"
#include "commandline/optvalue.h"

/* Options whose whole value is the path of an image, and what they are as -drive. */
static const struct {
	const char *name; /* NULL: an image without an option */
	const char *drive;
} plain_options[] = {
	{ NULL, "index=0,media=disk" },  { "hda", "index=0,media=disk" }, { "hdb", "index=1,media=disk" },
	{ "hdc", "index=2,media=disk" }, { "hdd", "index=3,media=disk" }, { "cdrom", "index=2,media=cdrom" },
	{ "fda", "if=floppy,index=0" },  { "fdb", "if=floppy,index=1" },  { "sd", "if=sd" },
	{ "mtdblock", "if=mtd" },        { "pflash", "if=pflash" },
};

/* The -drive properties of an option that is an image's path, or NULL. */
static const char *plain_drive(const struct arg *arg)
{
	for (size_t i = 0; i < sizeof(plain_options) / sizeof(*plain_options); i++)
		if (plain_options[i].name ? arg_is(arg, plain_options[i].name) : !arg->name)
			return plain_options[i].drive;
	return NULL;
}

/* `path` without double slashes, "." and ".." in place; it is absolute, and no link is followed. */
static char *tidy(const char *path)
{
	char *out = memory_of(strlen(path) + 2, 1);
	size_t used = 0;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (used > 0 && out[--used] != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			out[used++] = '/';
			memcpy(out + used, path, n);
			used += n;
		}
		path += n + (path[n] == '/');
	}
	out[used] = '\0';
	return out;
}

/* The file behind a pseudo-protocol name, "json:{…}" or "file:PATH"; malloc'd. */
static char *plain_filename(const char *filename)
{
	_cleanup_optvalue_ struct optvalue v = { 0 };
	const char *inner;

	if (strncmp(filename, "file:", 5) == 0)
		return text_of("%s", filename + 5);
	if (strncmp(filename, "json:{", 6) != 0)
		return text_of("%s", filename);
	optvalue_parse(&v, filename + 5, NULL);
	inner = optvalue_get(&v, "file.filename");
	if (!inner)
		inner = optvalue_get(&v, "filename");
	return text_of("%s", inner ? inner : filename);
}

/* The path that a file's name on the recorded command line means; malloc'd. */
static char *whole_path(const struct commandline_request *r, const char *name)
{
	_cleanup_free_ char *plain = plain_filename(name);
	_cleanup_free_ char *joined = path_join(r->m->cwd ? r->m->cwd : "/", plain);

	return tidy(joined);
}

bool path_is_named(const struct commandline_request *r, const char *name, const char *recorded, const char *now)
{
	_cleanup_free_ char *whole = whole_path(r, name);

	return strcmp(whole, recorded) == 0 || strcmp(whole, now) == 0 || image_same(whole, now);
}

int disk_chain_index(const struct commandline_request *r, const struct manifest_disk *disk, const char *filename)
{
	_cleanup_free_ char *whole = whole_path(r, filename);

	/* the VM went on with the image whose clone is frozen, so its command line names that one */
	if (manifest_method_keeps_image(disk->method) && disk->active &&
	    path_is_named(r, filename, disk->active_recorded ? disk->active_recorded : disk->active, disk->active))
		return 0;
	for (size_t i = 0; i < disk->n_chain; i++)
		if (strcmp(whole, disk->chain[i].recorded) == 0 || strcmp(whole, disk->chain[i].path) == 0)
			return (int)i;
	for (size_t i = 0; i < disk->n_chain; i++)
		if (image_same(whole, disk->chain[i].path))
			return (int)i;
	return -1;
}

void disk_describe_backing(const struct manifest_disk *disk, struct optvalue *o, const char *prefix)
{
	_cleanup_free_ char *at = text_of("%s", prefix);
	bool moved = false;

	for (size_t i = 1; i < disk->n_chain; i++)
		moved |= disk->chain[i].moved;
	for (size_t i = 1; i < disk->n_chain && moved; i++) {
		char *deeper = text_of("%sbacking.", at);
		_cleanup_free_ char *driver = text_of("%sdriver", deeper), *file = text_of("%sfile.driver", deeper);
		_cleanup_free_ char *name = text_of("%sfile.filename", deeper);

		free(at);
		at = deeper;
		optvalue_set(o, driver, disk->chain[i].format);
		optvalue_set(o, file, "file");
		optvalue_set(o, name, disk->chain[i].path);
	}
}

int disk_refuse_special(const struct manifest_disk *disk, const struct optvalue *o, const char *prefix, struct err *e)
{
	static const char *const members[] = { "offset", "size", "encrypt", "data-file", "key-secret" };

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		_cleanup_free_ char *key = text_of("%s%s", prefix, members[i]);

		if (!optvalue_has(o, key))
			continue;
		err_set(e, "the command line gives disk '%s' with '%s', which its overlay cannot have", disk->device,
			key);
		return err_hint(e, "give the whole command line yourself: mplcr-restore CKPT -- QEMU ARG…, "
				   "with {disk:%s} where the image belongs", disk->device);
	}
	return 0;
}

/* The image that a -drive names, or NULL. */
static const char *drive_file(const struct optvalue *o)
{
	const char *file = optvalue_get(o, "file");

	return file ? file : optvalue_get(o, "file.filename");
}

static int drive_replace(struct arg *arg, const struct manifest_disk *disk, const char *overlay, struct err *e)
{
	_cleanup_optvalue_ struct optvalue o = { 0 };

	optvalue_parse(&o, arg->value, NULL);
	if (overlay && disk_refuse_special(disk, &o, "", e) < 0)
		return -1;
	if (optvalue_get(&o, "file.filename") && !optvalue_get(&o, "file")) {
		optvalue_set(&o, "file.filename", overlay ? overlay : disk->chain[0].path);
		optvalue_set(&o, "file.driver", "file");
	} else {
		optvalue_set(&o, "file", overlay ? overlay : disk->chain[0].path);
	}
	if (overlay) {
		optvalue_set(&o, optvalue_get(&o, "driver") ? "driver" : "format", "qcow2");
		optvalue_remove(&o, "backing");
		optvalue_remove(&o, "snapshot");
	} else if (disk->n_chain > 1) {
		disk_describe_backing(disk, &o, "");
	}
	arg_set_value(arg, optvalue_text(&o));
	return 0;
}

static void plain_replace(struct arg *arg, const struct manifest_disk *disk, const char *overlay)
{
	_cleanup_free_ char *path = keyval_escape(overlay ? overlay : disk->chain[0].path);
	const char *drive = plain_drive(arg);

	if (!overlay && disk->n_chain == 1) {
		arg_set_value(arg, text_of("%s", disk->chain[0].path));
		return;
	}
	arg_set_value(arg, text_of("file=%s,format=%s,%s", path, overlay ? "qcow2" : disk->chain[0].format, drive));
	free(arg->name);
	arg->name = text_of("drive");
}

/* Where in the chain of `disk` the image of `arg` is; -1 where it gives no image of it. */
static int chain_index(const struct commandline_request *r, const struct args *a, const struct arg *arg,
		       const struct manifest_disk *disk)
{
	_cleanup_optvalue_ struct optvalue o = { 0 };
	const char *file;

	if (arg->used || !arg->value)
		return -1;
	if (plain_drive(arg))
		return disk_chain_index(r, disk, arg->value);
	if (arg_is(arg, "blockdev"))
		return blockdev_chain_index(r, a, arg, disk);
	if (!arg_is(arg, "drive"))
		return -1;
	optvalue_parse(&o, arg->value, NULL);
	file = drive_file(&o);
	return file ? disk_chain_index(r, disk, file) : -1;
}

static struct arg *drive_by_id(const struct args *a, const char *id)
{
	for (size_t i = 0; i < a->n; i++) {
		_cleanup_optvalue_ struct optvalue o = { 0 };
		const char *have;

		if (!arg_is(&a->items[i], "drive") || !a->items[i].value)
			continue;
		optvalue_parse(&o, a->items[i].value, NULL);
		have = optvalue_get(&o, "id");
		if (have && strcmp(have, id) == 0)
			return &a->items[i];
	}
	return NULL;
}

/* The argument whose image is nearest to the frozen one in the chain of `disk`. */
static struct arg *arg_by_image(const struct commandline_request *r, const struct args *a,
				const struct manifest_disk *disk)
{
	struct arg *best = NULL;
	int least = -1;

	for (size_t i = 0; i < a->n; i++) {
		int index = chain_index(r, a, &a->items[i], disk);

		if (index >= 0 && (least < 0 || index < least)) {
			least = index;
			best = &a->items[i];
		}
	}
	return best;
}

static struct arg *find_arg(const struct commandline_request *r, const struct args *a, const struct manifest_disk *disk)
{
	struct arg *arg = drive_by_id(a, disk->device);

	if (!arg)
		arg = blockdev_by_name(a, disk->device);
	if (!arg || arg->used)
		arg = arg_by_image(r, a, disk);
	return arg;
}

static int no_argument(const struct manifest_disk *disk, struct err *e)
{
	err_set(e, "no argument of the recorded command line gives disk '%s' ('%s')", disk->device,
		disk->chain[0].recorded);
	return err_hint(e, "give the whole command line yourself: mplcr-restore CKPT -- QEMU ARG…, "
			   "with {disk:%s} where the image belongs", disk->device);
}

static bool is_where_it_was(const struct manifest_disk *disk)
{
	for (size_t i = 0; i < disk->n_chain; i++)
		if (disk->chain[i].moved)
			return false;
	return true;
}

/* Whether the argument, whatever its marks, names the disk's image itself. */
static bool names_image(const struct commandline_request *r, const struct args *a, const struct arg *arg,
			const struct manifest_disk *disk)
{
	struct arg unmarked = { .name = arg->name, .value = arg->value };

	return chain_index(r, a, &unmarked, disk) == 0;
}

static int give_disk(const struct commandline_request *r, struct args *a, struct commandline *c, size_t i,
		     struct err *e)
{
	const struct manifest_disk *disk = &r->m->disks[i];
	struct arg *arg = find_arg(r, a, disk);
	const char *overlay = r->overlays[i];

	if (!arg && overlay)
		return no_argument(disk, e);
	if (!arg) {
		commandline_note(c, "no argument of the recorded command line gives the read-only disk '%s' ('%s')",
				 disk->device, disk->chain[0].recorded);
		return 0;
	}
	c->used[i] = true;
	arg->used = true;
	if (!overlay && is_where_it_was(disk) && names_image(r, a, arg, disk))
		return 0;
	if (arg_is(arg, "blockdev"))
		return blockdev_replace(a, arg, disk, overlay, e);
	if (arg_is(arg, "drive"))
		return drive_replace(arg, disk, overlay, e);
	plain_replace(arg, disk, overlay);
	return 0;
}

int commandline_disks(const struct commandline_request *r, struct args *a, struct commandline *c, struct err *e)
{
	for (int by_name = 1; by_name >= 0; by_name--)
		for (size_t i = 0; i < r->m->n_disks; i++) {
			const char *device = r->m->disks[i].device;
			bool named = drive_by_id(a, device) || blockdev_by_name(a, device);

			if (named == (by_name == 1) && !c->used[i] && give_disk(r, a, c, i, e) < 0)
				return -1;
		}
	blockdev_drop_unused(a);
	return 0;
}
