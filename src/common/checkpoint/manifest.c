/* SPDX-License-Identifier: MIT */
#include "checkpoint/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "checkpoint/layout.h"
#include "checkpoint/merging.h"

/* The word that goes into its signature (base/key.h). */
#define MANIFEST_KIND "manifest"

static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, text ? json_string_of(text) : json_null());
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* A copy: what the caller of manifest_to_json does with it must not change the manifest. */
static void set_json(json_t *object, const char *key, const json_t *value)
{
	json_object_set_new(object, key, value ? json_deep_copy(value) : json_null());
}

static json_t *image_to_json(const struct manifest_image *image, const char *tree)
{
	const char *relative = path_below(tree, image->path);
	json_t *object = json_object();

	set_text(object, "path", image->path);
	if (relative)
		set_text(object, "relative", relative);
	set_text(object, "format", image->format);
	json_object_set_new(object, "identity", identity_to_json(&image->id));
	if (image->data)
		json_object_set_new(object, "data_file", image_to_json(image->data, tree));
	return object;
}

static const struct {
	const char *name;
	bool keeps_image;
} methods[] = {
	[MANIFEST_OVERLAY] = { "overlay", false },
	[MANIFEST_REFLINK] = { "reflink", true },
	[MANIFEST_SUBVOLUME] = { "subvolume", true },
	[MANIFEST_NONE] = { "none", true },
};

const char *manifest_method_name(enum manifest_method method)
{
	return methods[method].name;
}

int manifest_method_named(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, name) == 0)
			return (int)i;
	return -1;
}

bool manifest_method_keeps_image(enum manifest_method method)
{
	return methods[method].keeps_image;
}

static json_t *disk_to_json(const struct manifest_disk *disk, const char *tree)
{
	json_t *object = json_object(), *chain = json_array();

	for (size_t i = 0; i < disk->n_chain; i++)
		json_array_append_new(chain, image_to_json(&disk->chain[i], tree));
	set_text(object, "device", disk->device);
	set_text(object, "node", disk->node);
	set_text(object, "qdev", disk->qdev);
	set_text(object, "frozen", disk->n_chain ? disk->chain[0].path : NULL);
	set_text(object, "method", manifest_method_name(disk->method));
	set_text(object, "active", disk->active);
	json_object_set_new(object, "read_only", json_boolean(disk->read_only));
	set_number(object, "virtual_size", disk->virtual_size);
	json_object_set_new(object, "chain", chain);
	return object;
}

static json_t *strings_to_json(char *const *strings)
{
	json_t *array = json_array();

	for (; strings && *strings; strings++)
		json_array_append_new(array, json_string_of(*strings));
	return array;
}

static json_t *qemu_to_json(const struct manifest *m)
{
	_cleanup_free_ char *version = text_of("%d.%d.%d", m->qemu_version / 10000, m->qemu_version / 100 % 100,
					       m->qemu_version % 100);
	json_t *object = json_object();

	set_text(object, "version", version);
	set_text(object, "package", m->qemu_package);
	set_text(object, "binary", m->qemu_binary);
	json_object_set_new(object, "identity", m->qemu_binary ? identity_to_json(&m->qemu_id) : json_null());
	set_text(object, "machine", m->machine);
	set_text(object, "accelerator", m->accelerator);
	if (m->cpu_flags)
		set_text(object, "cpu_flags", m->cpu_flags);
	set_number(object, "memory", m->memory);
	json_object_set_new(object, "command_line", m->argv ? strings_to_json(m->argv) : json_null());
	set_text(object, "cwd", m->cwd);
	return object;
}

static json_t *blocks_to_json(const struct manifest *m)
{
	json_t *array = json_array();

	for (size_t i = 0; i < m->n_blocks; i++) {
		json_t *object = json_object();

		set_text(object, "name", m->blocks[i].name);
		set_number(object, "length", m->blocks[i].length);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *files_to_json(const struct manifest *m)
{
	json_t *array = json_array();

	for (size_t i = 0; i < m->n_files; i++) {
		json_t *object = json_object();

		set_text(object, "name", m->files[i].name);
		set_number(object, "size", m->files[i].size);
		set_text(object, "xxh3", m->files[i].xxh3);
		set_text(object, "block", m->files[i].block);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *included_to_json(const struct manifest *m, const char *tree)
{
	json_t *array = json_array();

	for (size_t i = 0; i < m->n_included; i++) {
		const struct manifest_included *included = &m->included[i];
		const char *relative = path_below(tree, included->path);
		json_t *object = json_object();

		set_text(object, "path", included->path);
		if (relative)
			set_text(object, "relative", relative);
		set_text(object, "file", included->copy.name);
		set_number(object, "size", included->copy.size);
		set_text(object, "xxh3", included->copy.xxh3);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *receiver_to_json(const struct manifest *m)
{
	json_t *object = json_object();

	set_text(object, "uri", m->receiver);
	return object;
}

/* null where memory was saved whole */
static json_t *incremental_to_json(const struct manifest *m)
{
	const struct manifest_incremental *i = &m->incremental;
	json_t *object = i->parent ? json_object() : json_null();

	if (!i->parent)
		return object;
	set_text(object, "parent", i->parent);
	set_number(object, "pages_same", i->same);
	set_number(object, "pages_changed", i->changed);
	set_number(object, "pages_zeroed", i->zeroed);
	return object;
}

void manifest_set_state(struct manifest *m, const struct sink_result *written)
{
	m->blocks = memory_of(written->n_blocks, sizeof(*m->blocks));
	for (; m->n_blocks < written->n_blocks; m->n_blocks++) {
		m->blocks[m->n_blocks].name = text_copy(written->blocks[m->n_blocks].name);
		m->blocks[m->n_blocks].length = written->blocks[m->n_blocks].length;
	}
	m->files = memory_of(written->n_files + 1, sizeof(*m->files));
	for (; m->n_files < written->n_files; m->n_files++) {
		const struct sink_file *f = &written->files[m->n_files];

		m->files[m->n_files] = (struct manifest_file){ text_copy(f->name), f->size, text_copy(f->xxh3),
							       f->block[0] ? text_copy(f->block) : NULL };
	}
}

json_t *manifest_to_json(const struct manifest *m)
{
	_cleanup_free_ char *tree = path_dir(m->checkpoint);
	json_t *object = json_object(), *disks = json_array();

	for (size_t i = 0; i < m->n_disks; i++)
		json_array_append_new(disks, disk_to_json(&m->disks[i], tree));
	set_text(object, "schema", MANIFEST_SCHEMA);
	set_text(object, "name", m->name);
	set_text(object, "checkpoint", m->checkpoint);
	set_text(object, "engine", m->engine);
	set_text(object, "layout", m->layout->name);
	json_object_set_new(object, "receiver", m->receiver ? receiver_to_json(m) : json_null());
	set_text(object, "created", m->created);
	set_text(object, "parent", m->parent);
	json_object_set_new(object, "incremental", incremental_to_json(m));
	set_text(object, "run_state", m->run_state);
	json_object_set_new(object, "saved_paused", json_boolean(m->saved_paused));
	json_object_set_new(object, "described", json_boolean(m->described));
	json_object_set_new(object, "pause_ms", json_real(m->pause_ms));
	json_object_set_new(object, "total_ms", json_real(m->total_ms));
	set_number(object, "state_bytes", m->state_bytes);
	set_json(object, "phases", m->phases);
	set_json(object, "prediction", m->prediction);
	json_object_set_new(object, "qemu", qemu_to_json(m));
	json_object_set_new(object, "ram_blocks", blocks_to_json(m));
	json_object_set_new(object, "files", files_to_json(m));
	json_object_set_new(object, "disks", disks);
	json_object_set_new(object, "included", included_to_json(m, tree));
	json_object_set_new(object, "left_out", strings_to_json(m->left_out));
	return object;
}

/* With 15 digits, a number that is read back is written as the same text again. */
#define MANIFEST_FORM (JSON_INDENT(2) | JSON_REAL_PRECISION(15))

char *manifest_text(const json_t *json, const struct key *key, struct err *e)
{
	_cleanup_free_ char *rounded = json_dumps(json, MANIFEST_FORM), *body = NULL;
	_cleanup_json_ json_t *copy = rounded ? json_loads(rounded, 0, NULL) : NULL; /* what a reader will verify */

	json_object_del(copy, "mac");
	if (copy && key)
		key_sign(key, MANIFEST_KIND, copy);
	body = copy ? json_dumps(copy, MANIFEST_FORM) : NULL;
	if (body)
		return text_of("%s\n", body);
	err_set(e, "cannot encode the manifest");
	return NULL;
}

int manifest_write(const json_t *json, const struct key *key, int dirfd, const char *path, struct err *e)
{
	_cleanup_free_ char *text = manifest_text(json, key, e);

	return text ? file_create(dirfd, path, text, strlen(text), e) : -1;
}

enum key_verdict manifest_verify(const json_t *json, char **fault)
{
	struct err why = { .sys = ENOENT };
	struct key *key = json_text(json, "mac") ? key_load(false, &why) : NULL;
	enum key_verdict verdict = key_verify(key, MANIFEST_KIND, json);

	if (fault)
		*fault = key || why.sys == ENOENT ? NULL : text_of("%s", why.text);
	key_free(key);
	return verdict;
}

static void free_file(struct manifest_file *file)
{
	free(file->name);
	free(file->xxh3);
	free(file->block);
}

void manifest_image_release(struct manifest_image *image)
{
	free(image->path);
	free(image->recorded);
	free(image->format);
	free_file(&image->inside);
	if (image->data)
		manifest_image_release(image->data);
	free(image->data);
}

static void free_disk(struct manifest_disk *disk)
{
	for (size_t i = 0; i < disk->n_chain; i++)
		manifest_image_release(&disk->chain[i]);
	free(disk->chain);
	free(disk->device);
	free(disk->node);
	free(disk->qdev);
	free(disk->active);
	free(disk->active_recorded);
}

static void free_arrays(struct manifest *m)
{
	for (size_t i = 0; i < m->n_disks; i++)
		free_disk(&m->disks[i]);
	for (size_t i = 0; i < m->n_files; i++)
		free_file(&m->files[i]);
	for (size_t i = 0; i < m->n_included; i++) {
		free(m->included[i].path);
		free(m->included[i].recorded);
		free_file(&m->included[i].copy);
	}
	for (size_t i = 0; i < m->n_blocks; i++)
		free(m->blocks[i].name);
	text_list_free(m->argv);
	text_list_free(m->left_out);
	free(m->disks);
	free(m->files);
	free(m->included);
	free(m->blocks);
}

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	free_arrays(m);
	json_decref(m->json);
	free(m->key_fault);
	free(m->name);
	free(m->checkpoint);
	free(m->created);
	free(m->parent);
	free(m->incremental.parent);
	free(m->engine);
	free(m->receiver);
	free(m->run_state);
	json_decref(m->phases);
	json_decref(m->prediction);
	free(m->qemu_package);
	free(m->qemu_binary);
	free(m->machine);
	free(m->accelerator);
	free(m->cpu_flags);
	free(m->cwd);
	free(m);
}

const struct manifest_file *manifest_file_named(const struct manifest *m, const char *name)
{
	for (size_t i = 0; i < m->n_files; i++)
		if (strcmp(m->files[i].name, name) == 0)
			return &m->files[i];
	return NULL;
}

const struct manifest_file *manifest_file_of_block(const struct manifest *m, const char *block)
{
	for (size_t i = 0; i < m->n_files; i++)
		if (m->files[i].block && strcmp(m->files[i].block, block) == 0)
			return &m->files[i];
	return NULL;
}

static int check_sum(int fd, const struct manifest_file *file, const char *dir, struct err *e)
{
	char hex[33];

	if (digest_fd(fd, hex, e) < 0)
		return err_prefix(e, "'%s/%s'", dir, file->name);
	if (strcmp(hex, file->xxh3) == 0)
		return 0;
	err_set(e, "'%s/%s' is damaged: its sum is %s, the manifest says %s", dir, file->name, hex, file->xxh3);
	return err_hint(e, "the checkpoint cannot be trusted: use another one, or a copy of this file");
}

enum manifest_fault manifest_check_file(const struct manifest_file *file, const char *dir, bool sums, struct err *e)
{
	_cleanup_close_ int fd = beneath_open_at(dir, file->name);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(e, errno, "the checkpoint is not complete: cannot open '%s/%s'", dir, file->name);
		return MANIFEST_MISSING;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, "'%s/%s' is not a regular file", dir, file->name);
		return MANIFEST_MISSING;
	}
	if ((uint64_t)st.st_size != file->size) {
		err_set(e, "'%s/%s' is damaged: it has %lld bytes, the manifest says %llu", dir, file->name,
			(long long)st.st_size, (unsigned long long)file->size);
		return MANIFEST_SIZE;
	}
	return sums && check_sum(fd, file, dir, e) < 0 ? MANIFEST_SUM : MANIFEST_SOUND;
}

typedef int file_call(void *ctx, const struct manifest_file *file);

static int each_of_image(const struct manifest_image *image, file_call *each, void *ctx)
{
	int result = image->inside.name && !image->merging ? each(ctx, &image->inside) : 0;

	return result == 0 && image->data ? each_of_image(image->data, each, ctx) : result;
}

int manifest_each_file(const struct manifest *m, file_call *each, void *ctx)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < m->n_files; i++)
		result = each(ctx, &m->files[i]);
	for (size_t i = 0; result == 0 && i < m->n_included; i++)
		result = each(ctx, &m->included[i].copy);
	for (size_t i = 0; result == 0 && i < m->n_disks; i++)
		for (size_t j = 0; result == 0 && j < m->disks[i].n_chain; j++)
			result = each_of_image(&m->disks[i].chain[j], each, ctx);
	return result;
}

struct file_check {
	const char *dir;
	bool sums;
	struct err *e;
};

static int check_file(void *ctx, const struct manifest_file *file)
{
	const struct file_check *c = ctx;

	return manifest_check_file(file, c->dir, c->sums, c->e) == MANIFEST_SOUND ? 0 : -1;
}

int manifest_check_files(const struct manifest *m, const char *dir, bool sums, struct err *e)
{
	struct file_check c = { dir, sums, e };

	return manifest_each_file(m, check_file, &c);
}

static int check_image(const struct manifest *m, const struct manifest_disk *disk, const struct manifest_image *image,
		       struct err *e)
{
	const char *difference;

	if (image->data && check_image(m, disk, image->data, e) < 0)
		return -1;
	if (merging_check(image, &difference, e) < 0)
		return err_prefix(e, "an image of disk '%s' is missing", disk->device);
	if (!difference)
		return 0;
	err_set(e, "image '%s' of disk '%s' was changed since checkpoint '%s': %s", image->path, disk->device, m->name,
		difference);
	return err_hint(e, "a frozen image must never be written again; the checkpoint is no longer sound: "
			   "put back a copy of the image as it was, or use another checkpoint");
}

int manifest_check_images(const struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < m->n_disks; i++)
		for (size_t j = 0; j < m->disks[i].n_chain; j++)
			if (check_image(m, &m->disks[i], &m->disks[i].chain[j], e) < 0)
				return -1;
	return 0;
}
