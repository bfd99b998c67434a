/* SPDX-License-Identifier: MIT */
/* manifest_impl.h: JSON that is taken as hostile, made a manifest. */
#include "checkpoint/manifest_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "checkpoint/layout.h"
#include "checkpoint/manifest_reader.h"
#include "base/number.h"

enum {
	MAX_BLOCKS = 1024,
	MAX_FILES = 4096,
	MAX_DISKS = 256,
	MAX_CHAIN = 256,
	MAX_ARGS = 65536,
	MAX_NAME = 320,
};

static const char *const schema_family = "mplcr.trigger.checkpoint/";

/* The path to use now of what was `recorded`, and is `relative` (may be NULL) below `tree`. */
static char *path_now(const char *tree, const char *relative, const char *recorded)
{
	if (relative) {
		char *path = text_of("%s/%s", strcmp(tree, "/") == 0 ? "" : tree, relative);

		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	return text_copy(recorded);
}

/* The path of a file, and in *recorded the one that it had at the checkpoint. */
static char *read_path(struct reader *r, const struct place *at, const char *tree, char **recorded)
{
	_cleanup_free_ char *relative = reader_text(r, at, "relative");

	*recorded = reader_path(r, at, "path");
	if (relative && !text_stays_below(relative))
		reader_fault(r, "'%srelative' leaves the checkpoint's tree: '%s'", at->name, relative);
	return r->failed ? NULL : path_now(tree, relative, *recorded);
}

static void check_own_name(struct reader *r, const struct place *at, const char *key, const char *name)
{
	if (!text_stays_below(name) || text_has_control(name) || strlen(name) > MAX_NAME)
		reader_fault(r, "'%s%s' is not a file of the checkpoint: '%s'", at->name, key, name);
}

/* The file of a packed checkpoint that the image is. */
static void read_inside(struct reader *r, const struct place *at, const char *checkpoint, struct manifest_image *image)
{
	char *name = reader_text(r, at, "inside");

	if (!name)
		return;
	check_own_name(r, at, "inside", name);
	if (!image->id.content[0])
		reader_fault(r, "'%sidentity' has no 'content_xxh3', which packed images have", at->name);
	image->inside = (struct manifest_file){ name, image->id.size, text_copy(image->id.content), NULL };
	free(image->path);
	image->path = text_of("%s/%s", checkpoint, name);
}

static void read_image(struct reader *r, const struct place *at, const char *checkpoint, struct manifest_image *image)
{
	_cleanup_free_ char *tree = path_dir(checkpoint);

	image->path = read_path(r, at, tree, &image->recorded);
	image->format = reader_need_text(r, at, "format");
	image->id = reader_identity(r, at);
	if (image->format && image->format[strspn(image->format, "abcdefghijklmnopqrstuvwxyz0123456789-_")])
		reader_fault(r, "'%sformat' is not the name of an image format", at->name);
	if (!r->failed)
		read_inside(r, at, checkpoint, image);
	if (!r->failed)
		image->moved = strcmp(image->path, image->recorded) != 0;
}

/* An image of a chain, and the external data file that it may have. */
static void read_chain_image(struct reader *r, const struct place *at, const char *checkpoint,
			     struct manifest_image *image)
{
	struct place data;

	read_image(r, at, checkpoint, image);
	image->moved = image->moved && !image->inside.name; /* the headers in a pack name what is in it */
	image->merging = reader_flag(r, at, "merging", false);
	if (r->failed || !json_object_get(at->object, "data_file"))
		return;
	data = reader_member(r, at, "data_file");
	image->data = memory_of(1, sizeof(*image->data));
	read_image(r, &data, checkpoint, image->data);
}

/* Older checkpoints do not tell: the method was overlay, or none of a disk that the VM could not write. */
static enum manifest_method read_method(struct reader *r, const struct place *at, bool read_only)
{
	_cleanup_free_ char *name = reader_text(r, at, "method");
	int method = name ? manifest_method_named(name) : read_only ? MANIFEST_NONE : MANIFEST_OVERLAY;

	if (method < 0)
		reader_fault(r, "'%smethod' is not known: '%s'", at->name, name);
	return method < 0 ? MANIFEST_NONE : (enum manifest_method)method;
}

/* `was` is where the tree of the checkpoint was when it was made. */
static void read_disk(struct reader *r, const struct place *at, const char *checkpoint, const char *was,
		      struct manifest_disk *disk)
{
	_cleanup_free_ char *active = reader_text(r, at, "active"), *tree = path_dir(checkpoint);
	size_t n = reader_count(r, at, "chain", MAX_CHAIN);

	disk->device = reader_need_text(r, at, "device");
	disk->node = reader_text(r, at, "node");
	disk->qdev = reader_text(r, at, "qdev");
	disk->virtual_size = reader_number(r, at, "virtual_size");
	disk->read_only = json_flag(at->object, "read_only");
	disk->method = read_method(r, at, disk->read_only);
	if (n == 0)
		reader_fault(r, "'%schain' is empty", at->name);
	disk->chain = memory_of(n, sizeof(*disk->chain));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place image = reader_item(r, at, "chain", i);

		disk->n_chain = i + 1;
		read_chain_image(r, &image, checkpoint, &disk->chain[i]);
		disk->chain[i].item = i;
	}
	if (active)
		disk->active = path_now(tree, path_below(was, active), active);
	disk->active_recorded = steal_ptr(active);
}

static void read_disks(struct reader *r, const struct place *at, struct manifest *m)
{
	_cleanup_free_ char *was = reader_text(r, at, "checkpoint");
	size_t n = reader_count(r, at, "disks", MAX_DISKS);

	if (was && strchr(was, '/'))
		*strrchr(was, '/') = '\0';
	m->disks = memory_of(n, sizeof(*m->disks));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place disk = reader_item(r, at, "disks", i);

		m->n_disks = i + 1;
		read_disk(r, &disk, m->checkpoint, was ? was : "", &m->disks[i]);
		for (size_t j = 0; j < i && !r->failed; j++)
			if (strcmp(m->disks[j].device, m->disks[i].device) == 0)
				reader_fault(r, "disk '%s' is listed twice", m->disks[i].device);
	}
}

static void read_blocks(struct reader *r, const struct place *at, struct manifest *m)
{
	size_t n = reader_count(r, at, "ram_blocks", m->layout->is_elsewhere ? 0 : MAX_BLOCKS);

	m->blocks = memory_of(n, sizeof(*m->blocks));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place block = reader_item(r, at, "ram_blocks", i);

		m->n_blocks = i + 1;
		m->blocks[i].name = reader_need_text(r, &block, "name");
		m->blocks[i].length = reader_number(r, &block, "length");
	}
}

static void check_block(struct reader *r, const struct place *at, const struct manifest *m,
			const struct manifest_file *file)
{
	for (size_t i = 0; i < m->n_blocks; i++) {
		if (strcmp(m->blocks[i].name, file->block) != 0)
			continue;
		if (m->blocks[i].length != file->size)
			reader_fault(r, "'%ssize' is not the length of RAM block '%s'", at->name, file->block);
		return;
	}
	reader_fault(r, "'%sblock' is not one of 'ram_blocks'", at->name);
}

/* A file of the checkpoint, whose name is at `key`. */
static void read_own_file(struct reader *r, const struct place *at, const char *key, struct manifest_file *file)
{
	file->name = reader_need_text(r, at, key);
	file->size = reader_number(r, at, "size");
	file->xxh3 = reader_need_text(r, at, "xxh3");
	if (r->failed)
		return;
	check_own_name(r, at, key, file->name);
	if (!digest_is(file->xxh3))
		reader_fault(r, "'%sxxh3' is not a sum", at->name);
}

static void read_file(struct reader *r, const struct place *at, const struct manifest *m, struct manifest_file *file)
{
	read_own_file(r, at, "name", file);
	file->block = reader_text(r, at, "block");
	if (!r->failed && file->block)
		check_block(r, at, m, file);
}

static void read_files(struct reader *r, const struct place *at, struct manifest *m)
{
	size_t n = reader_count(r, at, "files", MAX_FILES);

	m->files = memory_of(n, sizeof(*m->files));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place file = reader_item(r, at, "files", i);

		m->n_files = i + 1;
		read_file(r, &file, m, &m->files[i]);
	}
}

/* Their names below the run directory of a restored VM are those that they have here, so each is there once. */
static void read_included(struct reader *r, const struct place *at, struct manifest *m)
{
	_cleanup_free_ char *tree = path_dir(m->checkpoint);
	size_t n;

	if (!json_object_get(at->object, "included")) /* it came later than the format */
		return;
	n = reader_count(r, at, "included", MAX_FILES);
	m->included = memory_of(n, sizeof(*m->included));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place place = reader_item(r, at, "included", i);
		struct manifest_included *included = &m->included[i];

		m->n_included = i + 1;
		included->path = read_path(r, &place, tree, &included->recorded);
		read_own_file(r, &place, "file", &included->copy);
		if (!r->failed && (strncmp(included->copy.name, INCLUDED_DIR "/", sizeof(INCLUDED_DIR)) != 0 ||
				   strchr(included->copy.name + sizeof(INCLUDED_DIR), '/')))
			reader_fault(r, "'%sfile' is not directly in '%s'", place.name, INCLUDED_DIR);
		for (size_t j = 0; j < i && !r->failed; j++)
			if (strcmp(m->included[j].copy.name, included->copy.name) == 0)
				reader_fault(r, "file '%s' is included twice", included->copy.name);
	}
}

/* "7.2.22" as qmp_version gives it, or -1. */
static int parse_version(const char *text)
{
	int version = 0;

	for (int part = 0; part < 3; part++) {
		char *end;
		long n;

		if (*text < '0' || *text > '9')
			return -1;
		n = strtol(text, &end, 10);
		if (n > 99 || *end != (part < 2 ? '.' : '\0'))
			return -1;
		version = version * 100 + (int)n;
		text = end + 1;
	}
	return version;
}

static void read_qemu(struct reader *r, const struct place *top, struct manifest *m)
{
	struct place at = reader_member(r, top, "qemu");
	_cleanup_free_ char *version = reader_need_text(r, &at, "version");

	m->qemu_version = version ? parse_version(version) : -1;
	if (m->qemu_version < 0)
		reader_fault(r, "'%sversion' is not a version", at.name);
	m->qemu_package = reader_text(r, &at, "package");
	m->qemu_binary = reader_text(r, &at, "binary");
	if (m->qemu_binary)
		m->qemu_id = reader_identity(r, &at);
	m->machine = reader_need_text(r, &at, "machine");
	m->accelerator = reader_text(r, &at, "accelerator");
	m->cpu_flags = reader_text(r, &at, "cpu_flags");
	m->memory = reader_number(r, &at, "memory");
	m->cwd = reader_text(r, &at, "cwd");
	m->argv = reader_strings(r, &at, "command_line", MAX_ARGS);
	if (m->argv && !m->argv[0])
		reader_fault(r, "'%scommand_line' is empty", at.name);
}

/* "tcp:HOST:PORT", as a checkpoint is sent to a receiver. */
static bool is_receiver_uri(const char *uri)
{
	const char *port = strrchr(uri, ':');
	uint64_t number;
	struct err ignored;

	return strncmp(uri, "tcp:", 4) == 0 && port > uri + 4 && strlen(uri) <= MAX_NAME && !text_has_control(uri) &&
	       number_parse(port + 1, "port", UINT16_MAX, &number, &ignored) == 0 && number > 0;
}

/* The layout, and the receiver that belongs to a state that is elsewhere, and to no other. */
static void read_layout(struct reader *r, const struct place *top, struct manifest *m)
{
	const json_t *receiver = json_object_get(top->object, "receiver");
	_cleanup_free_ char *name = reader_need_text(r, top, "layout");
	struct place at;

	m->layout = name ? layout_named(name) : NULL;
	if (name && !m->layout)
		reader_fault(r, "layout '%s' is not known", name);
	else if (m->layout && !m->layout->is_elsewhere && receiver && !json_is_null(receiver))
		reader_fault(r, "'receiver' does not belong to layout '%s'", name);
	if (r->failed || !m->layout->is_elsewhere)
		return;
	at = reader_member(r, top, "receiver");
	m->receiver = reader_need_text(r, &at, "uri");
	if (m->receiver && !is_receiver_uri(m->receiver))
		reader_fault(r, "'%suri' is not tcp:HOST:PORT: '%s'", at.name, m->receiver);
}

/* Null, or absent in older checkpoints, where memory was saved whole. */
static void read_incremental(struct reader *r, const struct place *top, struct manifest *m)
{
	const json_t *object = json_object_get(top->object, "incremental");
	struct place at;

	if (r->failed || !object || json_is_null(object))
		return;
	at = reader_member(r, top, "incremental");
	m->incremental.parent = reader_path(r, &at, "parent");
	m->incremental.same = reader_number(r, &at, "pages_same");
	m->incremental.changed = reader_number(r, &at, "pages_changed");
	m->incremental.zeroed = reader_number(r, &at, "pages_zeroed");
}

static void read_top(struct reader *r, const struct place *at, struct manifest *m)
{
	m->name = reader_need_text(r, at, "name");
	m->created = reader_text(r, at, "created");
	m->parent = reader_text(r, at, "parent");
	m->engine = reader_need_text(r, at, "engine");
	m->run_state = reader_text(r, at, "run_state");
	m->saved_paused = reader_flag(r, at, "saved_paused", true);
	m->described = reader_flag(r, at, "described", false);
	m->pause_ms = reader_ms(r, at, "pause_ms");
	m->total_ms = reader_ms(r, at, "total_ms");
	m->state_bytes = reader_number(r, at, "state_bytes");
	m->phases = json_incref(json_object_get(at->object, "phases"));
	m->prediction = json_incref(json_object_get(at->object, "prediction"));
	m->left_out = reader_strings(r, at, "left_out", MAX_DISKS);
	if (r->failed)
		return;
	if (strchr(m->name, '/') || m->name[0] == '.' || text_has_control(m->name))
		reader_fault(r, "'name' is not a name: '%s'", m->name);
	read_layout(r, at, m);
	read_incremental(r, at, m);
}

static void check_schema(struct reader *r, const struct place *at, struct manifest *m)
{
	const char *schema = json_text(at->object, "schema");

	(void)m;
	if (!schema || strncmp(schema, schema_family, strlen(schema_family)) != 0) {
		reader_fault(r, "'schema' is not %s", MANIFEST_SCHEMA);
	} else if (strcmp(schema, MANIFEST_SCHEMA) != 0) {
		r->failed = true;
		err_set(r->e, "'%s' has schema '%s', which this version does not know", r->file, schema);
		err_hint(r->e, "it was made by a newer version of the tools: update these");
	}
}

int manifest_read(struct manifest *m, const json_t *json, const char *file, struct err *e)
{
	static void (*const parts[])(struct reader *, const struct place *, struct manifest *) = {
		check_schema, read_top, read_qemu, read_blocks, read_files, read_disks, read_included,
	};
	struct place top = { .object = json, .name = "" };
	struct reader r = { .file = file, .e = e };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && !r.failed; i++)
		parts[i](&r, &top, m);
	return r.failed ? -1 : 0;
}
