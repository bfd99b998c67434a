/* SPDX-License-Identifier: MIT */
/* manifest.h: what is written can be read again, survives a move of the tree, and anything else is refused by name. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "checkpoint/manifest.h"
#include "tap.h"

static char *root; /* of all files of the test */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) == EOF || fclose(f) == EOF)
		abort();
}

static char *in_root(const char *name)
{
	return text_of("%s/%s", root, name);
}

/* A manifest of a VM with one disk of two images, and the files that it speaks of. */
static struct manifest *make(void)
{
	struct manifest *m = memory_of(1, sizeof(*m));
	struct err e;

	m->name = text_of("x2");
	m->checkpoint = in_root("tree/x2.ckpt");
	m->created = text_of("2026-01-01T00:00:00.000Z");
	m->engine = text_of("background");
	m->layout = layout_named("pages");
	m->run_state = text_of("running");
	m->described = true;
	m->pause_ms = 12.5;
	m->total_ms = 800;
	m->state_bytes = 1000;
	m->phases = json_of("[{s:s, s:f}]", "name", "pause", "ms", 12.5);
	m->qemu_version = 70222;
	m->qemu_package = text_of("Debian");
	m->qemu_binary = text_of("/proc/self/exe");
	m->qemu_id = (struct identity){ .size = 1, .header = "0123456789abcdef0123456789abcdef" };
	m->machine = text_of("pc-i440fx-7.2");
	m->accelerator = text_of("tcg");
	m->memory = 4096;
	m->argv = memory_of(3, sizeof(char *));
	m->argv[0] = text_of("qemu-system-x86_64");
	m->argv[1] = text_of("-S");
	m->cwd = text_of("/");
	m->blocks = memory_of(1, sizeof(*m->blocks));
	m->n_blocks = 1;
	m->blocks[0] = (struct manifest_block){ .name = text_of("pc.ram"), .length = 3 };
	m->files = memory_of(1, sizeof(*m->files));
	m->n_files = 1;
	m->files[0] = (struct manifest_file){ .name = text_of("ram/pc.ram"), .size = 3, .block = text_of("pc.ram") };
	m->files[0].xxh3 = memory_of(DIGEST_HEX, 1);
	digest_bytes("ram", 3, m->files[0].xxh3);
	m->disks = memory_of(1, sizeof(*m->disks));
	m->n_disks = 1;
	m->disks[0] = (struct manifest_disk){ .device = text_of("drive0"), .node = text_of("#block1"), .n_chain = 2 };
	m->disks[0].virtual_size = 65536;
	m->disks[0].active = in_root("tree/d.x2.ovl");
	m->disks[0].chain = memory_of(2, sizeof(struct manifest_image));
	m->disks[0].chain[0] = (struct manifest_image){ .path = in_root("tree/d.qcow2"), .format = text_of("qcow2") };
	m->disks[0].chain[1] = (struct manifest_image){ .path = in_root("base, 1.img"), .format = text_of("raw") };
	if (identity_read(m->disks[0].chain[0].path, &m->disks[0].chain[0].id, &e) < 0 ||
	    identity_read(m->disks[0].chain[1].path, &m->disks[0].chain[1].id, &e) < 0)
		abort();
	m->disks[0].chain[1].data = memory_of(1, sizeof(struct manifest_image));
	*m->disks[0].chain[1].data =
		(struct manifest_image){ .path = in_root("tree/d.data"), .format = text_of("raw") };
	if (identity_read(m->disks[0].chain[1].data->path, &m->disks[0].chain[1].data->id, &e) < 0)
		abort();
	m->included = memory_of(1, sizeof(*m->included));
	m->n_included = 1;
	m->included[0].path = in_root("tree/vars.fd");
	m->included[0].copy = (struct manifest_file){ .name = text_of("include/vars.fd"), .size = 4 };
	m->included[0].copy.xxh3 = memory_of(DIGEST_HEX, 1);
	digest_bytes("vars", 4, m->included[0].copy.xxh3);
	return m;
}

static void make_tree(void)
{
	static const char *const dirs[] = {
		"tree", "tree/x2.ckpt", "tree/x2.ckpt/ram", "tree/x2.ckpt/include", "bad", "empty", "y.ckpt.partial"
	};
	static const char *const files[][2] = { { "tree/d.qcow2", "image" }, { "tree/d.x2.ovl", "overlay" },
		{ "base, 1.img", "base" }, { "tree/x2.ckpt/ram/pc.ram", "ram" },
		{ "tree/d.data", "data" }, { "tree/x2.ckpt/include/vars.fd", "vars" }, { "tree/vars.fd", "VARS" } };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		_cleanup_free_ char *path = in_root(dirs[i]);

		if (mkdir(path, 0700) < 0)
			abort();
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		_cleanup_free_ char *path = in_root(files[i][0]);

		write_file(path, files[i][1]);
	}
}

static void write_manifest(const char *dir, const json_t *json)
{
	_cleanup_free_ char *path = text_of("%s/%s/checkpoint.json", root, dir);

	if (json_dump_file(json, path, JSON_INDENT(1)) < 0)
		abort();
}

static void check_round_trip(void)
{
	_cleanup_free_ char *dir = in_root("tree/x2.ckpt/"), *image = in_root("tree/d.qcow2");
	struct manifest *m = make(), *back;
	_cleanup_json_ json_t *json = manifest_to_json(m), *again = NULL;
	struct err e = { 0 };

	ok(strcmp(json_object_iter_key(json_object_iter(json)), "schema") == 0, "schema is the first member");
	write_manifest("tree/x2.ckpt", json);
	back = manifest_load(dir, &e);
	if (!ok(back != NULL, "what was written is read: %s", e.text))
		exit(1);
	again = manifest_to_json(back);
	ok(json_equal(json, again), "and is the same");
	ok(!back->disks[0].chain[0].moved && !back->disks[0].chain[1].moved, "nothing was moved");
	ok(manifest_check_files(back, dir, true, &e) == 0, "its files are whole");
	ok(manifest_check_images(back, &e) == 0, "its images are unchanged");
	ok(manifest_file_of_block(back, "pc.ram") == manifest_file_named(back, "ram/pc.ram"),
	   "the file of a RAM block");
	write_file(image, "IMAGE");
	ok(manifest_check_images(back, &e) < 0 && strstr(e.text, "d.qcow2") && strstr(e.text, "drive0"),
	   "a written image is named: %s", e.text);
	manifest_free(m);
	manifest_free(back);
}

static void check_move(void)
{
	_cleanup_free_ char *old = in_root("tree"), *new = in_root("moved"), *dir = in_root("moved/x2.ckpt");
	_cleanup_free_ char *image = in_root("moved/d.qcow2"), *was = in_root("tree/d.qcow2");
	_cleanup_free_ char *base = in_root("base, 1.img"), *active = in_root("moved/d.x2.ovl");
	struct err e = { 0 };
	struct manifest *m;

	if (rename(old, new) < 0)
		abort();
	m = manifest_load(dir, &e);
	if (!ok(m != NULL, "a moved checkpoint is read: %s", e.text))
		exit(1);
	ok(strcmp(m->checkpoint, dir) == 0, "it knows where it is");
	ok(strcmp(m->disks[0].chain[0].path, image) == 0, "the image is found beside it");
	ok(m->disks[0].chain[0].moved && strcmp(m->disks[0].chain[0].recorded, was) == 0, "and is known as moved");
	ok(strcmp(m->disks[0].chain[1].path, base) == 0 && !m->disks[0].chain[1].moved, "one outside stayed");
	ok(strcmp(m->disks[0].active, active) == 0, "the active overlay is found, too");
	ok(m->disks[0].method == MANIFEST_OVERLAY && m->disks[0].chain[1].data->moved, "and a data file");
	ok(strstr(m->disks[0].active_recorded, "/tree/d.x2.ovl") && strstr(m->included[0].recorded, "/tree/vars.fd") &&
		   strstr(m->included[0].path, "/moved/vars.fd"),
	   "and included files; where they were is known");
	manifest_free(m);
}

/* What a manifest that was written before they came says by leaving members out. */
static void check_older(void)
{
	_cleanup_free_ char *whole = in_root("moved/x2.ckpt"), *older = in_root("bad");
	_cleanup_free_ char *good = path_join(whole, "checkpoint.json");
	_cleanup_json_ json_t *json = json_load_file(good, 0, NULL);
	struct err e = { 0 };
	struct manifest *m = manifest_load(whole, &e);

	ok(m && !m->saved_paused && m->described, "what was saved is known");
	manifest_free(m);
	for (const char *const *key = (const char *const[]){ "saved_paused", "described", NULL }; *key; key++)
		json_object_del(json, *key);
	write_manifest("bad", json);
	m = manifest_load(older, &e);
	ok(m && m->saved_paused && !m->described, "an older manifest is read, and restores in any case: %s", e.text);
	manifest_free(m);
}

/* How the manifest's disk was frozen, where it has `method` (taken over; NULL: nothing) and is read-only or not. */
static int method_of(json_t *method, bool read_only)
{
	_cleanup_free_ char *good = in_root("moved/x2.ckpt/checkpoint.json"), *bad = in_root("bad");
	_cleanup_json_ json_t *json = json_load_file(good, 0, NULL);
	json_t *disk = json_array_get(json_object_get(json, "disks"), 0);
	struct err e = { 0 };
	struct manifest *m;
	int found;

	json_object_del(disk, "method");
	if (method)
		json_object_set_new(disk, "method", method);
	json_object_set_new(disk, "read_only", json_boolean(read_only));
	write_manifest("bad", json);
	m = manifest_load(bad, &e);
	found = m ? (int)m->disks[0].method : -1;
	manifest_free(m);
	return found;
}

static void check_methods(void)
{
	static const char *const names[] = { "overlay", "reflink", "subvolume", "none" };

	for (int i = 0; i < 4; i++)
		ok(method_of(json_string(names[i]), false) == i && strcmp(manifest_method_name(i), names[i]) == 0,
		   "method %s", names[i]);
	ok(method_of(NULL, false) == MANIFEST_OVERLAY, "older, without a method: overlay");
	ok(method_of(json_null(), true) == MANIFEST_NONE && method_of(NULL, true) == MANIFEST_NONE,
	   "or none, where the disk is read-only");
	ok(manifest_method_keeps_image(MANIFEST_REFLINK) && !manifest_method_keeps_image(MANIFEST_OVERLAY),
	   "after a clone the VM goes on with its image");
}

/* Writes `uri` (taken over) as the receiver of the manifest, which is then refused with `word`; NULL: it is read. */
static void check_receiver(json_t *json, json_t *uri, const char *word)
{
	_cleanup_free_ char *dir = in_root("bad"), *text = json_dumps(uri, JSON_ENCODE_ANY);
	struct err e = { 0 };
	struct manifest *m;

	json_object_set(json_object_get(json, "receiver"), "uri", uri);
	write_manifest("bad", json);
	m = manifest_load(dir, &e);
	if (word)
		ok(!m && strstr(e.text, word), "receiver %.40s: %s", text, e.text);
	else
		ok(m && strcmp(m->receiver, json_string_value(uri)) == 0, "receiver %s is read %s", text, e.text);
	json_decref(uri);
	manifest_free(m);
}

/* A checkpoint whose state lives in a paused QEMU: no memory, and no files of the state. */
static void check_receivers(void)
{
	struct manifest *m = make();
	_cleanup_json_ json_t *json = NULL;

	free(m->engine);
	m->engine = text_of("mplcr");
	m->layout = layout_named("receiver");
	m->receiver = text_of("tcp:localhost:1");
	json = manifest_to_json(m);
	check_receiver(json, json_string("tcp:localhost:1"), "ram_blocks");
	json_array_clear(json_object_get(json, "ram_blocks"));
	check_receiver(json, json_string("tcp:localhost:1"), "files[0].block");
	json_array_clear(json_object_get(json, "files"));
	check_receiver(json, json_string("tcp:localhost:1"), NULL);
	check_receiver(json, json_string("tcp:[::1]:65535"), NULL);
	check_receiver(json, json_string("unix:/tmp/x"), "tcp:HOST:PORT");
	check_receiver(json, json_string("tcp::1"), "tcp:HOST:PORT");
	check_receiver(json, json_string("tcp:localhost"), "tcp:HOST:PORT");
	check_receiver(json, json_string("tcp:localhost:0"), "tcp:HOST:PORT");
	check_receiver(json, json_string("tcp:localhost:65536"), "tcp:HOST:PORT");
	check_receiver(json, json_string("tcp:local\thost:1"), "tcp:HOST:PORT");
	check_receiver(json, json_string(""), "receiver.uri");
	check_receiver(json, json_integer(1), "receiver.uri");
	manifest_free(m);
}

static void check_damage(void)
{
	_cleanup_free_ char *dir = in_root("moved/x2.ckpt"), *file = in_root("moved/x2.ckpt/ram/pc.ram");
	_cleanup_free_ char *vars = in_root("moved/x2.ckpt/include/vars.fd");
	struct err e = { 0 };
	struct manifest *m = manifest_load(dir, &e);

	write_file(file, "rom");
	ok(manifest_check_files(m, dir, false, &e) == 0, "a wrong byte passes without sums");
	ok(manifest_check_files(m, dir, true, &e) < 0 && strstr(e.text, "ram/pc.ram"), "but not with them: %s", e.text);
	write_file(file, "ra");
	ok(manifest_check_files(m, dir, false, &e) < 0 && strstr(e.text, "2 bytes"), "a cut file: %s", e.text);
	write_file(file, "ram");
	write_file(vars, "varz");
	ok(manifest_check_files(m, dir, true, &e) < 0 && strstr(e.text, "include/vars.fd"), "a damaged included file");
	unlink(file);
	ok(manifest_check_files(m, dir, false, &e) < 0 && strstr(e.text, "not complete"), "a missing file: %s", e.text);
	manifest_free(m);
}

/* Changes the member at `path` ("disks.0.chain.0.relative") of a good manifest to `value`, NULL removes it. */
static void refuse(const char *path, json_t *value, const char *word)
{
	_cleanup_free_ char *dir = in_root("bad"), *good = in_root("moved/x2.ckpt/checkpoint.json"),
			    *keys = text_copy(path);
	_cleanup_json_ json_t *json = NULL;
	struct manifest *m = NULL;
	struct err e = { 0 };
	json_t *at;
	char *key, *next, *save;

	at = json = json_load_file(good, 0, NULL);
	for (key = strtok_r(keys, ".", &save); (next = strtok_r(NULL, ".", &save)) != NULL; key = next)
		at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);
	if (!value)
		json_object_del(at, key);
	else if (json_is_array(at))
		json_array_set_new(at, (size_t)atoi(key), value);
	else
		json_object_set_new(at, key, value);
	write_manifest("bad", json);
	m = manifest_load(dir, &e);
	ok(!m && strstr(e.text, word), "%s: %s", path, e.text);
	manifest_free(m);
}

static void refuse_all(void)
{
	refuse("schema", json_string("mplcr.trigger.checkpoint/2"), "does not know");
	refuse("schema", json_string("something"), "schema");
	refuse("schema", NULL, "schema");
	refuse("name", json_string("../x"), "'name'");
	refuse("layout", json_string("tape"), "tape");
	refuse("layout", json_string("receiver"), "'receiver'");
	refuse("receiver", json_of("{s:s}", "uri", "tcp:a:1"), "does not belong");
	refuse("saved_paused", json_string("no"), "'saved_paused'");
	refuse("described", json_null(), "'described'");
	refuse("pause_ms", json_string("1"), "'pause_ms'");
	refuse("pause_ms", json_integer(-1), "'pause_ms'");
	refuse("qemu", NULL, "'qemu'");
	refuse("qemu.version", json_string("7.x"), "qemu.version");
	refuse("qemu.version", json_string("99999999999.1.1"), "qemu.version");
	refuse("qemu.command_line", json_array(), "qemu.command_line");
	refuse("qemu.command_line.1", json_integer(1), "qemu.command_line[1]");
	refuse("qemu.identity", json_null(), "qemu.identity");
	refuse("files", json_object(), "'files'");
	refuse("files.0", json_null(), "files[0]");
	refuse("files.0.name", json_string("/etc/passwd"), "files[0].name");
	refuse("files.0.name", json_string("ram/../../x"), "files[0].name");
	refuse("files.0.name", json_string("ram//x"), "files[0].name");
	refuse("files.0.name", json_string("a\tb"), "files[0].name");
	refuse("files.0.size", json_integer(-1), "files[0].size");
	refuse("files.0.size", json_integer(4), "length of RAM block");
	refuse("files.0.xxh3", json_string("zz"), "files[0].xxh3");
	refuse("files.0.block", json_string("other"), "files[0].block");
	refuse("disks.0.chain", json_array(), "disks[0].chain");
	refuse("disks.0.chain.0.relative", json_string("../../d.qcow2"), "leaves");
	refuse("disks.0.chain.0.relative", json_string("/d.qcow2"), "leaves");
	refuse("disks.0.chain.0.path", json_string("d.qcow2"), "absolute");
	refuse("disks.0.chain.0.format", json_string("raw,file=x"), "format");
	refuse("disks.0.chain.1.identity", json_object(), "disks[0].chain[1].identity");
	refuse("disks.0.device", json_string(""), "disks[0].device");
	refuse("disks.0.virtual_size", json_real(1.5), "virtual_size");
	refuse("disks.0.method", json_string("tape"), "disks[0].method");
	refuse("disks.0.chain.1.data_file", json_true(), "disks[0].chain[1].data_file");
	refuse("disks.0.chain.1.data_file.relative", json_string("../d"), "leaves");
	refuse("included", json_object(), "'included'");
	refuse("included.0.path", json_string("vars.fd"), "absolute");
	refuse("included.0.file", json_string("include/../../vars.fd"), "included[0].file");
	refuse("included.0.file", json_string("ram/pc.ram"), "not directly in 'include'");
	refuse("included.0.file", json_string("include/a/b"), "not directly in 'include'");
	refuse("included.0.file", json_string("includes"), "not directly in 'include'");
	refuse("included.0.xxh3", NULL, "included[0].xxh3");
}

static void refuse_dir(const char *name, const char *word)
{
	_cleanup_free_ char *dir = in_root(name);
	struct err e = { 0 };
	struct manifest *m = manifest_load(dir, &e);

	ok(!m && (strstr(e.text, word) || strstr(e.hint, word)), "%s: %s (%s)", name, e.text, e.hint);
	manifest_free(m);
}

static void refuse_dirs(void)
{
	_cleanup_free_ char *cut = in_root("bad/checkpoint.json");

	write_file(cut, "{\"schema\": \"mplcr.tr");
	refuse_dir("bad", "line 1");
	write_file(cut, "[1]");
	refuse_dir("bad", "schema");
	write_file(cut, "");
	refuse_dir("bad", "line");
	refuse_dir("empty", "no checkpoint.json");
	refuse_dir("y.ckpt.partial", "not finished");
	refuse_dir("y.ckpt", "not finished");
	refuse_dir("moved/x2", "do you mean");
	refuse_dir("nothing", "No such file");
	refuse_dir("base, 1.img", "is a directory");
}

int main(void)
{
	char template[] = "/tmp/mplcr-manifest.XXXXXX";
	_cleanup_free_ char *command = NULL;

	root = mkdtemp(template);
	if (!root)
		abort();
	make_tree();
	check_round_trip();
	check_receivers();
	check_move();
	check_older();
	check_methods();
	check_damage();
	refuse_all();
	refuse_dirs();
	command = text_of("rm -rf '%s'", root);
	return system(command) == 0 ? done() : 1;
}
