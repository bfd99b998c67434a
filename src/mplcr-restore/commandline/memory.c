/* SPDX-License-Identifier: MIT */
/* Rules "machine" and "memory" of commandline.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "commandline/impl.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "commandline/optvalue.h"
#include "qemu/versions.h"

static const char *const file_members[] = {
	"mem-path", "share", "readonly", "rom", "align", "pmem", "discard-data", "offset", "prealloc",
	"prealloc-threads", "prealloc-context", "hugetlb", "hugetlbsize", "seal",
};

static bool is_backend(const struct optvalue *v)
{
	const char *type = optvalue_get(v, "qom-type");

	return type && strncmp(type, "memory-backend-", 15) == 0;
}

/* The -object that is the memory backend `id`, read into *v (the caller's to release), or NULL. */
static struct arg *find_backend(const struct args *a, const char *id, struct optvalue *v)
{
	for (size_t i = 0; i < a->n; i++) {
		const char *have;

		if (!arg_is(&a->items[i], "object") || !a->items[i].value)
			continue;
		optvalue_parse(v, a->items[i].value, "qom-type");
		have = optvalue_get(v, "id");
		if (is_backend(v) && have && strcmp(have, id) == 0)
			return &a->items[i];
		optvalue_release(v);
	}
	*v = (struct optvalue){ 0 };
	return NULL;
}

/* Whether other processes may see what the guest writes there. memfd is shared unless told otherwise. */
static bool is_shared(const struct optvalue *v)
{
	const char *type = optvalue_get(v, "qom-type");

	if (optvalue_has(v, "share"))
		return optvalue_on(v, "share");
	return strcmp(type, "memory-backend-memfd") == 0;
}

static bool is_directory(const struct manifest *m, const char *path)
{
	_cleanup_free_ char *whole = path_join(m->cwd ? m->cwd : ".", path);
	struct stat st;

	return stat(whole, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool gives_memory_back(const struct args *a)
{
	for (size_t i = 0; i < a->n; i++) {
		const char *value = a->items[i].value;

		if (arg_is(&a->items[i], "balloon") && value && strncmp(value, "none", 4) != 0)
			return true;
		if (arg_is(&a->items[i], "device") && value &&
		    (strstr(value, "virtio-balloon") || strstr(value, "virtio-mem")))
			return true;
	}
	return false;
}

/* Why the RAM blocks with files cannot be mapped into this command line, or NULL. */
static const char *why_blocks(const struct manifest *m, const struct args *a, int version)
{
	size_t files = 0, unbacked = 0;

	for (size_t i = 0; i < m->n_files; i++) {
		_cleanup_optvalue_ struct optvalue v = { 0 };

		if (!m->files[i].block)
			continue;
		files++;
		if (!find_backend(a, m->files[i].block, &v))
			unbacked++;
		else if (is_shared(&v))
			return "its memory is shared with other processes (share=on)";
	}
	if (files == 0)
		return "the checkpoint has no file of memory pages";
	if (unbacked > 1)
		return "its command line does not say which memory backend belongs to which RAM block";
	if (version < QEMU_MACHINE_BACKEND && (files > 1 || unbacked == 0))
		return "this QEMU can map the main memory only";
	return NULL;
}

const char *commandline_why_eager(const struct manifest *m, char *const *argv, int version)
{
	_cleanup_args_ struct args a = { 0 };

	if (m->layout->why_eager)
		return m->layout->why_eager;
	if (argv)
		args_parse(&a, argv + 1);
	if (version < QEMU_READ_ONLY_MEMORY_FILE && gives_memory_back(&a))
		return "its guest can give memory back (balloon), and a QEMU before 8.2 would change the checkpoint "
		       "then";
	return why_blocks(m, &a, version);
}

const struct manifest_file *memory_main_file(const struct manifest *m)
{
	const struct manifest_file *file = manifest_file_of_block(m, "pc.ram");

	for (size_t i = 0; i < m->n_files && !file; i++)
		if (m->files[i].block)
			file = &m->files[i];
	return file;
}

/* Whether machine types of this one's version call blocks by their object's path: those up to 4.0. */
static bool has_old_names(const char *machine)
{
	const char *version = machine ? strrchr(machine, '-') : NULL;
	char *end;
	long major;

	if (!version)
		return false;
	major = strtol(version + 1, &end, 10);
	return end != version + 1 && *end == '.' &&
	       (major < 4 || (major == 4 && strtol(end + 1, NULL, 10) == 0));
}

/* Makes `v` a private mapping of the file at `path`. */
static void map_file(const struct commandline_request *r, struct optvalue *v, const char *path, uint64_t size)
{
	for (size_t i = 0; i < sizeof(file_members) / sizeof(*file_members); i++)
		optvalue_remove(v, file_members[i]);
	optvalue_set(v, "qom-type", "memory-backend-file");
	optvalue_set_number(v, "size", size);
	optvalue_set(v, "mem-path", path);
	optvalue_set_flag(v, "share", false);
	if (r->version >= QEMU_READ_ONLY_MEMORY_FILE) {
		optvalue_set_flag(v, "readonly", true);
		optvalue_set(v, "rom", "off");
	}
}

static struct arg *machine_arg(struct args *a)
{
	if (!args_find(a, "machine")) {
		args_add(a, "machine", NULL);
		a->items[a->n - 1].value = text_of("%s", "");
	}
	return args_find(a, "machine");
}

static void set_machine(struct arg *arg, const char *key, const char *value)
{
	_cleanup_keyval_ struct keyval kv = { 0 };

	keyval_parse(&kv, arg->value ? arg->value : "", "type");
	keyval_set(&kv, key, value);
	if (kv.n == 1 && strcmp(key, "type") == 0)
		kv.items[0].form = KEYVAL_IMPLIED;
	arg_set_value(arg, keyval_text(&kv));
}

static void add_backend(const struct commandline_request *r, struct args *a, const struct manifest_file *file,
			const char *path)
{
	_cleanup_optvalue_ struct optvalue v = { 0 };
	_cleanup_free_ char *text = NULL, *start = NULL;

	if (r->version < QEMU_MACHINE_BACKEND) {
		args_remove(a, "mem-path");
		args_add(a, "mem-path", path);
		return;
	}
	start = text_of("memory-backend-file,id=%s", file->block);
	optvalue_parse(&v, start, "qom-type");
	map_file(r, &v, path, file->size);
	if (has_old_names(r->m->machine))
		optvalue_set_flag(&v, "x-use-canonical-path-for-ramblock-id", false);
	text = optvalue_text(&v);
	args_add(a, "object", text);
	set_machine(machine_arg(a), "memory-backend", file->block);
}

static void map_block(const struct commandline_request *r, struct args *a, const struct manifest_file *file)
{
	_cleanup_free_ char *path = text_of("%s/%s", r->m->checkpoint, file->name);
	_cleanup_optvalue_ struct optvalue v = { 0 };
	struct arg *arg = find_backend(a, file->block, &v);

	if (!arg) {
		add_backend(r, a, file, path);
		return;
	}
	map_file(r, &v, path, file->size);
	arg_set_value(arg, optvalue_text(&v));
}

/* Makes private mappings of files plain memory: what they map is about to be loaded anyway, and is not ours. */
static void unmap_files(const struct commandline_request *r, struct args *a)
{
	for (size_t i = 0; i < a->n; i++) {
		_cleanup_optvalue_ struct optvalue v = { 0 };
		const char *type, *path;

		if (!arg_is(&a->items[i], "object") || !a->items[i].value)
			continue;
		optvalue_parse(&v, a->items[i].value, "qom-type");
		type = optvalue_get(&v, "qom-type");
		path = optvalue_get(&v, "mem-path");
		if (!type || strcmp(type, "memory-backend-file") != 0 || !path || is_shared(&v) ||
		    (optvalue_on(&v, "readonly") && !optvalue_has(&v, "rom")) || is_directory(r->m, path))
			continue;
		optvalue_set(&v, "qom-type", "memory-backend-ram");
		for (size_t j = 0; j < sizeof(file_members) / sizeof(*file_members); j++)
			optvalue_remove(&v, file_members[j]);
		arg_set_value(&a->items[i], optvalue_text(&v));
	}
	for (size_t i = a->n; i > 0; i--)
		if (arg_is(&a->items[i - 1], "mem-path") && a->items[i - 1].value &&
		    !is_directory(r->m, a->items[i - 1].value))
			args_remove_at(a, i - 1);
}

void commandline_memory(const struct commandline_request *r, struct args *a, struct commandline *c)
{
	if (!r->lazy) {
		if (!r->own)
			unmap_files(r, a);
		return;
	}
	if (args_find(a, "mem-path") || args_find(a, "mem-prealloc"))
		commandline_note(c, "-mem-path and -mem-prealloc are left out: memory comes from the checkpoint");
	args_remove(a, "mem-path");
	args_remove(a, "mem-prealloc");
	for (size_t i = 0; i < r->m->n_files; i++)
		if (r->m->files[i].block)
			map_block(r, a, &r->m->files[i]);
}

void commandline_machine(const struct commandline_request *r, struct args *a)
{
	bool found = false;

	for (size_t i = 0; i < a->n; i++) {
		_cleanup_keyval_ struct keyval kv = { 0 };

		if (!arg_is(&a->items[i], "machine") || !a->items[i].value)
			continue;
		keyval_parse(&kv, a->items[i].value, "type");
		if (!keyval_get(&kv, "type"))
			continue;
		found = true;
		if (!r->own)
			set_machine(&a->items[i], "type", r->m->machine);
	}
	if (!found)
		set_machine(machine_arg(a), "type", r->m->machine);
}
