/* SPDX-License-Identifier: MIT */
/* manifest_impl.h: JSON that is taken as hostile, made a manifest. */
#include "manifest_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fdio.h"
#include "json.h"
#include "number.h"

enum {
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

static void read_disks(struct reader *r, const struct place *at, struct manifest *m)
{
	_cleanup_free_ char *tree = path_dir(m->checkpoint), *was = optional_text(r, at, "checkpoint");
	size_t n = array_size(r, at, "disks", MAX_DISKS);

	if (was && strchr(was, '/'))
		*strrchr(was, '/') = '\0';
	m->disks = memory_of(n, sizeof(*m->disks));
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct place disk = place_item(r, at, "disks", i);

		m->n_disks = i + 1;
		read_disk(r, &disk, tree, was ? was : "", &m->disks[i]);
		for (size_t j = 0; j < i && !r->failed; j++)
			if (strcmp(m->disks[j].device, m->disks[i].device) == 0)
				fault(r, "disk '%s' is listed twice", m->disks[i].device);
	}
}

static void read_blocks(struct reader *r, const struct place *at, struct manifest *m)
{
	size_t n = array_size(r, at, "ram_blocks", m->receiver ? 0 : MAX_BLOCKS);

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

/* "tcp:HOST:PORT", as a checkpoint is sent to a receiver. */
static bool is_receiver_uri(const char *uri)
{
	const char *port = strrchr(uri, ':');
	uint64_t number;
	struct err ignored;

	return strncmp(uri, "tcp:", 4) == 0 && port > uri + 4 && strlen(uri) <= MAX_NAME && !has_control(uri) &&
	       number_parse(port + 1, "port", UINT16_MAX, &number, &ignored) == 0 && number > 0;
}

/* The layout, and the receiver that belongs to one of them and to no other. */
static void read_layout(struct reader *r, const struct place *top, struct manifest *m)
{
	const json_t *receiver = json_object_get(top->object, "receiver");
	bool sent = strcmp(m->layout, "receiver") == 0;
	struct place at;

	if (!sent && strcmp(m->layout, "pages") != 0 && strcmp(m->layout, "stream") != 0)
		fault(r, "layout '%s' is not known", m->layout);
	else if (!sent && receiver && !json_is_null(receiver))
		fault(r, "'receiver' does not belong to layout '%s'", m->layout);
	if (!sent || r->failed)
		return;
	at = place_member(r, top, "receiver");
	m->receiver = need_text(r, &at, "uri");
	if (m->receiver && !is_receiver_uri(m->receiver))
		fault(r, "'%suri' is not tcp:HOST:PORT: '%s'", at.name, m->receiver);
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
	read_layout(r, at, m);
}

static void check_schema(struct reader *r, const struct place *at, struct manifest *m)
{
	const char *schema = json_text(at->object, "schema");

	(void)m;
	if (!schema || strncmp(schema, schema_family, strlen(schema_family)) != 0) {
		fault(r, "'schema' is not %s", MANIFEST_SCHEMA);
	} else if (strcmp(schema, MANIFEST_SCHEMA) != 0) {
		r->failed = true;
		err_set(r->e, "'%s' has schema '%s', which this version does not know", r->file, schema);
		err_hint(r->e, "it was made by a newer version of the tools: update these");
	}
}

int manifest_read(struct manifest *m, const json_t *json, const char *file, struct err *e)
{
	static void (*const parts[])(struct reader *, const struct place *, struct manifest *) = {
		check_schema, read_top, read_qemu, read_blocks, read_files, read_disks,
	};
	struct place top = { .object = json, .name = "" };
	struct reader r = { .file = file, .e = e };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && !r.failed; i++)
		parts[i](&r, &top, m);
	return r.failed ? -1 : 0;
}
