/* SPDX-License-Identifier: MIT */
/* manifest_load: the reading half of manifest.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fdio.h"
#include "json.h"
#include "manifest.h"

enum {
	MAX_BYTES = 16 << 20, /* of checkpoint.json */
	MAX_BLOCKS = 1024,
	MAX_FILES = 4096,
	MAX_DISKS = 256,
	MAX_CHAIN = 256,
	MAX_ARGS = 65536,
	MAX_TEXT = 1 << 20,
	MAX_NAME = 320,
};

static const char *const schema_family = "mplcr.trigger.checkpoint/";

/* The file that is read, and its first fault: after one, the getters give defaults and the manifest is thrown away. */
struct reader {
	const char *file;
	struct err *e;
	bool failed;
};

static void __attribute__((format(printf, 2, 3))) fault(struct reader *r, const char *fmt, ...)
{
	va_list ap;
	char text[512];

	if (r->failed)
		return;
	r->failed = true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(r->e, "'%s' is not a checkpoint manifest: %s", r->file, text);
}

/* Where in the file an object is: "disks[0].chain[1].", or "" for the outermost. */
struct place {
	const json_t *object;
	char name[96];
};

static struct place place_member(struct reader *r, const struct place *in, const char *key)
{
	struct place p = { .object = json_object_get(in->object, key) };

	snprintf(p.name, sizeof(p.name), "%.40s%.40s.", in->name, key);
	if (!json_is_object(p.object))
		fault(r, "'%s%s' is missing or not an object", in->name, key);
	return p;
}

static struct place place_item(struct reader *r, const struct place *in, const char *key, size_t i)
{
	struct place p = { .object = json_array_get(json_object_get(in->object, key), i) };

	snprintf(p.name, sizeof(p.name), "%.40s%.30s[%zu].", in->name, key, i);
	if (!json_is_object(p.object))
		fault(r, "'%s%s[%zu]' is not an object", in->name, key, i);
	return p;
}

/* How many items the array at `key` has, at most `max`. */
static size_t array_size(struct reader *r, const struct place *in, const char *key, size_t max)
{
	const json_t *array = json_object_get(in->object, key);

	if (!json_is_array(array))
		fault(r, "'%s%s' is missing or not a list", in->name, key);
	else if (json_array_size(array) > max)
		fault(r, "'%s%s' has more than %zu items", in->name, key, max);
	return r->failed ? 0 : json_array_size(array);
}

/* A copy of the text at `key`, or NULL where it is null or missing. */
static char *optional_text(struct reader *r, const struct place *in, const char *key)
{
	const json_t *value = json_object_get(in->object, key);

	if (!value || json_is_null(value))
		return NULL;
	if (!json_is_string(value))
		fault(r, "'%s%s' is not a string", in->name, key);
	else if (json_string_length(value) > MAX_TEXT)
		fault(r, "'%s%s' is too long", in->name, key);
	return r->failed ? NULL : text_copy(json_string_value(value));
}

/* A copy of the text at `key`, which must be there and not be empty. */
static char *need_text(struct reader *r, const struct place *in, const char *key)
{
	char *text = optional_text(r, in, key);

	if (!text || !*text)
		fault(r, "'%s%s' is missing", in->name, key);
	return text;
}

static uint64_t need_number(struct reader *r, const struct place *in, const char *key)
{
	const json_t *value = json_object_get(in->object, key);

	if (!json_is_integer(value))
		fault(r, "'%s%s' is missing or not a whole number", in->name, key);
	else if (json_integer_value(value) < 0)
		fault(r, "'%s%s' is negative", in->name, key);
	return r->failed ? 0 : (uint64_t)json_integer_value(value);
}

static double need_ms(struct reader *r, const struct place *in, const char *key)
{
	double ms = json_real_at(in->object, key, -1);

	if (!(ms >= 0))
		fault(r, "'%s%s' is missing or not a time", in->name, key);
	return ms;
}

/* Whether `path` is relative and stays below where it starts. */
static bool stays_below(const char *path)
{
	if (!*path || *path == '/')
		return false;
	for (const char *part = path; part; part = strchr(part, '/')) {
		size_t n;

		part += *part == '/';
		n = strcspn(part, "/");
		if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
	}
	return true;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

static char *need_path(struct reader *r, const struct place *in, const char *key)
{
	char *path = need_text(r, in, key);

	if (path && path[0] != '/')
		fault(r, "'%s%s' is not an absolute path", in->name, key);
	return path;
}

static struct identity need_identity(struct reader *r, const struct place *in)
{
	struct identity id = { 0 };

	if (!r->failed && identity_from_json(json_object_get(in->object, "identity"), &id) < 0)
		fault(r, "'%sidentity' is missing or incomplete", in->name);
	return id;
}

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

static void read_image(struct reader *r, const struct place *at, const char *tree, struct manifest_image *image)
{
	_cleanup_free_ char *relative = optional_text(r, at, "relative");

	image->recorded = need_path(r, at, "path");
	image->format = need_text(r, at, "format");
	image->id = need_identity(r, at);
	if (relative && !stays_below(relative))
		fault(r, "'%srelative' leaves the checkpoint's tree: '%s'", at->name, relative);
	if (image->format && image->format[strspn(image->format, "abcdefghijklmnopqrstuvwxyz0123456789-_")])
		fault(r, "'%sformat' is not the name of an image format", at->name);
	if (r->failed)
		return;
	image->path = path_now(tree, relative, image->recorded);
	image->moved = strcmp(image->path, image->recorded) != 0;
}

/* `was` is where the tree of the checkpoint was when it was made. */
static void read_disk(struct reader *r, const struct place *at, const char *tree, const char *was,
		      struct manifest_disk *disk)
{
	_cleanup_free_ char *active = optional_text(r, at, "active");
	size_t n = array_size(r, at, "chain", MAX_CHAIN);

	disk->device = need_text(r, at, "device");
	disk->node = optional_text(r, at, "node");
	disk->qdev = optional_text(r, at, "qdev");
	disk->virtual_size = need_number(r, at, "virtual_size");
	disk->read_only = json_flag(at->object, "read_only");
	if (n == 0)
		fault(r, "'%schain' is empty", at->name);
	disk->chain = memory_of(n, sizeof(*disk->chain));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place image = place_item(r, at, "chain", i);

		disk->n_chain = i + 1;
		read_image(r, &image, tree, &disk->chain[i]);
	}
	if (active)
		disk->active = path_now(tree, path_below(was, active), active);
}

static void read_disks(struct reader *r, const struct place *at, struct manifest *m, const char *was)
{
	_cleanup_free_ char *tree = path_dir(m->checkpoint);
	size_t n = array_size(r, at, "disks", MAX_DISKS);

	m->disks = memory_of(n, sizeof(*m->disks));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place disk = place_item(r, at, "disks", i);

		m->n_disks = i + 1;
		read_disk(r, &disk, tree, was, &m->disks[i]);
		for (size_t j = 0; j < i && !r->failed; j++)
			if (strcmp(m->disks[j].device, m->disks[i].device) == 0)
				fault(r, "disk '%s' is listed twice", m->disks[i].device);
	}
}

static void read_blocks(struct reader *r, const struct place *at, struct manifest *m)
{
	size_t n = array_size(r, at, "ram_blocks", MAX_BLOCKS);

	m->blocks = memory_of(n, sizeof(*m->blocks));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place block = place_item(r, at, "ram_blocks", i);

		m->n_blocks = i + 1;
		m->blocks[i].name = need_text(r, &block, "name");
		m->blocks[i].length = need_number(r, &block, "length");
	}
}

static void check_block(struct reader *r, const struct place *at, const struct manifest *m,
			const struct manifest_file *file)
{
	for (size_t i = 0; i < m->n_blocks; i++) {
		if (strcmp(m->blocks[i].name, file->block) != 0)
			continue;
		if (m->blocks[i].length != file->size)
			fault(r, "'%ssize' is not the length of RAM block '%s'", at->name, file->block);
		return;
	}
	fault(r, "'%sblock' is not one of 'ram_blocks'", at->name);
}

static void read_file(struct reader *r, const struct place *at, const struct manifest *m, struct manifest_file *file)
{
	file->name = need_text(r, at, "name");
	file->size = need_number(r, at, "size");
	file->xxh3 = need_text(r, at, "xxh3");
	file->block = optional_text(r, at, "block");
	if (r->failed)
		return;
	if (!stays_below(file->name) || has_control(file->name) || strlen(file->name) > MAX_NAME)
		fault(r, "'%sname' is not a file of the checkpoint: '%s'", at->name, file->name);
	if (strlen(file->xxh3) != 32 || strspn(file->xxh3, "0123456789abcdef") != 32)
		fault(r, "'%sxxh3' is not a sum", at->name);
	if (file->block)
		check_block(r, at, m, file);
}

static void read_files(struct reader *r, const struct place *at, struct manifest *m)
{
	size_t n = array_size(r, at, "files", MAX_FILES);

	m->files = memory_of(n, sizeof(*m->files));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place file = place_item(r, at, "files", i);

		m->n_files = i + 1;
		read_file(r, &file, m, &m->files[i]);
	}
}

/* A list of strings, NULL-terminated; NULL where there is none, or null. */
static char **optional_strings(struct reader *r, const struct place *at, const char *key, size_t max)
{
	const json_t *list = json_object_get(at->object, key);
	char **strings;
	size_t n;

	if (!list || json_is_null(list))
		return NULL;
	n = array_size(r, at, key, max);
	strings = memory_of(n + 1, sizeof(*strings));
	for (size_t i = 0; i < n && !r->failed; i++) {
		strings[i] = text_copy(json_string_value(json_array_get(list, i)));
		if (!strings[i])
			fault(r, "'%s%s[%zu]' is not a string", at->name, key, i);
	}
	return strings;
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
	struct place at = place_member(r, top, "qemu");
	_cleanup_free_ char *version = need_text(r, &at, "version");

	m->qemu_version = version ? parse_version(version) : -1;
	if (m->qemu_version < 0)
		fault(r, "'%sversion' is not a version", at.name);
	m->qemu_package = optional_text(r, &at, "package");
	m->qemu_binary = optional_text(r, &at, "binary");
	if (m->qemu_binary)
		m->qemu_id = need_identity(r, &at);
	m->machine = need_text(r, &at, "machine");
	m->accelerator = optional_text(r, &at, "accelerator");
	m->memory = need_number(r, &at, "memory");
	m->cwd = optional_text(r, &at, "cwd");
	m->argv = optional_strings(r, &at, "command_line", MAX_ARGS);
	if (m->argv && !m->argv[0])
		fault(r, "'%scommand_line' is empty", at.name);
}

static void read_top(struct reader *r, const struct place *at, struct manifest *m)
{
	m->name = need_text(r, at, "name");
	m->created = optional_text(r, at, "created");
	m->parent = optional_text(r, at, "parent");
	m->engine = need_text(r, at, "engine");
	m->layout = need_text(r, at, "layout");
	m->run_state = optional_text(r, at, "run_state");
	m->pause_ms = need_ms(r, at, "pause_ms");
	m->total_ms = need_ms(r, at, "total_ms");
	m->state_bytes = need_number(r, at, "state_bytes");
	m->phases = json_incref(json_object_get(at->object, "phases"));
	m->prediction = json_incref(json_object_get(at->object, "prediction"));
	m->left_out = optional_strings(r, at, "left_out", MAX_DISKS);
	if (r->failed)
		return;
	if (strchr(m->name, '/') || m->name[0] == '.' || has_control(m->name))
		fault(r, "'name' is not a name: '%s'", m->name);
	if (strcmp(m->layout, "pages") != 0 && strcmp(m->layout, "stream") != 0)
		fault(r, "layout '%s' is not known", m->layout);
}

static void check_schema(struct reader *r, const struct place *at)
{
	const char *schema = json_text(at->object, "schema");

	if (!schema || strncmp(schema, schema_family, strlen(schema_family)) != 0) {
		fault(r, "'schema' is not %s", MANIFEST_SCHEMA);
	} else if (strcmp(schema, MANIFEST_SCHEMA) != 0) {
		r->failed = true;
		err_set(r->e, "'%s' has schema '%s', which this version does not know", r->file, schema);
		err_hint(r->e, "it was made by a newer version of the tools: update these");
	}
}

static json_t *load_json(struct reader *r, int dirfd, const char *dir)
{
	_cleanup_free_ char *text = NULL;
	json_error_t why;
	json_t *json;
	size_t size;

	text = file_read(dirfd, MANIFEST_NAME, MAX_BYTES, &size, r->e);
	if (!text) {
		err_prefix(r->e, "checkpoint '%s'", dir);
		return NULL;
	}
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!json)
		fault(r, "line %d: %s", why.line, why.text);
	return json;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

static bool exists_with(const char *path, const char *suffix)
{
	char longer[PATH_MAX];

	return snprintf(longer, sizeof(longer), "%s%s", path, suffix) < PATH_MAX && access(longer, F_OK) == 0;
}

/* What may be meant by the name of a checkpoint that could not be opened. */
static void hint_missing(const char *dir, struct err *e)
{
	if (e->sys == ENOENT && exists_with(dir, ".partial"))
		err_hint(e, "'%s.partial' is there: a checkpoint that was not finished, and cannot be used", dir);
	else if (e->sys == ENOENT && exists_with(dir, ".ckpt"))
		err_hint(e, "do you mean '%s.ckpt'?", dir);
	else if (e->sys == ENOTDIR)
		err_hint(e, "a checkpoint is a directory, NAME.ckpt");
}

/* Opens the directory `dir` of a checkpoint, or tells what it is instead. */
static int open_checkpoint(const char *dir, struct err *e)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		err_sys(e, errno, "cannot open checkpoint '%s'", dir);
		hint_missing(dir, e);
		return -1;
	}
	if (ends_with(dir, ".partial"))
		return err_set(e, "'%s' is a checkpoint that was not finished, and cannot be used", dir);
	if (faccessat(fd, MANIFEST_NAME, F_OK, 0) < 0 && errno == ENOENT)
		return err_set(e, "'%s' is not a checkpoint: it has no %s", dir, MANIFEST_NAME);
	return steal_fd(&fd);
}

struct manifest *manifest_load(const char *dir, struct err *e)
{
	_cleanup_free_ char *trimmed = text_of("%s", dir), *file = NULL, *was = NULL;
	_cleanup_close_ int dirfd = -1;
	_cleanup_json_ json_t *json = NULL;
	struct place top = { .name = "" };
	struct reader r = { .e = e };
	struct manifest *m;

	for (size_t n = strlen(dir); n > 1 && trimmed[n - 1] == '/'; n--)
		trimmed[n - 1] = '\0';
	r.file = file = text_of("%s/%s", trimmed, MANIFEST_NAME);
	dirfd = open_checkpoint(trimmed, e);
	if (dirfd < 0)
		return NULL;
	json = load_json(&r, dirfd, trimmed);
	if (!json)
		return NULL;
	m = memory_of(1, sizeof(*m));
	m->checkpoint = path_real(trimmed);
	if (!m->checkpoint) {
		err_sys(e, errno, "cannot resolve '%s'", trimmed);
		goto fail;
	}
	top.object = json;
	was = text_copy(json_text(json, "checkpoint"));
	if (was && strchr(was, '/'))
		*strrchr(was, '/') = '\0';
	check_schema(&r, &top);
	if (!r.failed)
		read_top(&r, &top, m);
	if (!r.failed)
		read_qemu(&r, &top, m);
	if (!r.failed)
		read_blocks(&r, &top, m);
	if (!r.failed)
		read_files(&r, &top, m);
	if (!r.failed)
		read_disks(&r, &top, m, was ? was : "");
	if (!r.failed)
		return m;
fail:
	manifest_free(m);
	return NULL;
}
