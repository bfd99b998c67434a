/* SPDX-License-Identifier: MIT */
/* forest.h: images, their backing files, the needs of checkpoints, and lies that a guest may tell. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "checkpoint/forest/forest.h"
#include "image_builder.h"
#include "base/json.h"
#include "in_root.h"
#include "tap.h"

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(in(name), "w");

	if (!f || fputs(text, f) == EOF || fclose(f) == EOF)
		abort();
}

static void overlay(const char *name, const char *backing, const char *format)
{
	image_build(in(name), backing, format);
}

/* The forest of a directory below the root. */
static struct forest *read_forest(const char *dir)
{
	char *dirs[] = { in(dir) };
	struct in_use in_use = { 0 };
	struct err e;
	struct forest *f = forest_read(dirs, 1, &in_use, &e);

	if (!f)
		printf("# %s\n", e.text);
	in_use_release(&in_use);
	return f;
}

/* The image of that name; one without anything where there is none. */
static const struct forest_image *image(const struct forest *f, const char *name)
{
	static const struct forest_image none = { .path = "", .below = FOREST_NONE };
	size_t i = forest_find(f, in(name));

	return i == FOREST_NONE ? &none : &f->images[i];
}

static bool stands_on(const struct forest *f, const char *name, const char *below)
{
	size_t i = image(f, name)->below;

	return i != FOREST_NONE && i == forest_find(f, in(below));
}

static bool has_fault(const struct forest *f, const char *name, const char *part)
{
	const char *fault = image(f, name)->fault;

	return part ? fault && strstr(fault, part) : !fault;
}

/* --- chains ------------------------------------------------------------------------------------------------------ */

static void test_chains(void)
{
	struct forest *f;

	must(mkdir(in("plain"), 0700));
	must(mkdir(in("plain/sub"), 0700));
	must(mkdir(in("elsewhere"), 0700));
	write_file("plain/base.img", "raw data");
	write_file("plain/notes.txt", "no image");
	write_file("elsewhere/lone", "an image only because it is a backing file");
	overlay("plain/a.ovl", "base.img", "raw");
	overlay("plain/sub/b", "../a.ovl", "qcow2");
	overlay("plain/c.ovl", in("elsewhere/lone"), "raw");
	must(symlink("sub/b", in("plain/current.qcow2")));
	must(symlink("/", in("plain/everything")));
	must(link(in("plain/a.ovl"), in("plain/z.ovl")));
	must(mkfifo(in("plain/pipe.img"), 0600));

	f = read_forest("plain");
	ok(f && f->n_images == 5, "five images, links and other files not counted");
	ok(stands_on(f, "plain/sub/b", "plain/a.ovl") && stands_on(f, "plain/a.ovl", "plain/base.img"), "a chain");
	ok(image(f, "plain/base.img")->format == IMAGE_RAW && image(f, "plain/base.img")->virtual_size == 8,
	   "a raw image, by its name");
	ok(image(f, "plain/a.ovl")->n_above == 1 && image(f, "plain/sub/b")->n_above == 0, "who is a leaf");
	ok(image(f, "plain/z.ovl") == image(f, "plain/a.ovl"), "two names of one file are one image");
	ok(image(f, "plain/current.qcow2") == image(f, "plain/sub/b"), "a link, too");
	ok(image(f, "elsewhere/lone")->outside && !image(f, "plain/a.ovl")->outside, "what lies outside");
	ok(forest_find(f, in("plain/notes.txt")) == FOREST_NONE, "what is no image");
	ok(forest_find(f, in("plain/none")) == FOREST_NONE, "what is not there");
	for (size_t i = 0; i < f->n_images; i++)
		ok(!f->images[i].fault, "'%s' has no fault", f->images[i].path);
	forest_free(f);

	f = read_forest("plain/notes.txt");
	ok(f && f->n_images == 1, "a file that is named is an image");
	forest_free(f);
	ok(!read_forest("nowhere"), "a directory that is not there");
}

static void test_broken(void)
{
	struct forest *f;

	must(mkdir(in("broken"), 0700));
	overlay("broken/lost.ovl", "gone.img", "raw");
	overlay("broken/one.ovl", "two.ovl", "qcow2");
	overlay("broken/two.ovl", "three.ovl", "qcow2");
	overlay("broken/three.ovl", "one.ovl", "qcow2");
	overlay("broken/self.ovl", "self.ovl", "qcow2");
	overlay("broken/dir.ovl", "..", "raw");
	overlay("broken/remote.ovl", "nbd://host/disk", "raw");
	overlay("broken/liar.ovl", "raw.img", "qcow2");
	write_file("broken/raw.img", "raw");
	write_file("broken/bad.qcow2", "QFI\xfb and nothing else");

	f = read_forest("broken");
	ok(has_fault(f, "broken/lost.ovl", "'gone.img' is missing"), "a backing file that is gone");
	ok(has_fault(f, "broken/three.ovl", "cycle") && image(f, "broken/three.ovl")->below != FOREST_NONE ? false
													   : true,
	   "a cycle is cut");
	ok(!!image(f, "broken/one.ovl")->fault + !!image(f, "broken/two.ovl")->fault +
			   !!image(f, "broken/three.ovl")->fault ==
		   1,
	   "at one place");
	ok(has_fault(f, "broken/self.ovl", "cycle"), "an image that is its own backing file");
	ok(has_fault(f, "broken/dir.ovl", "not a regular file"), "a directory as backing file");
	ok(has_fault(f, "broken/remote.ovl", NULL) && image(f, "broken/remote.ovl")->below == FOREST_NONE,
	   "a backing file on another host");
	ok(has_fault(f, "broken/liar.ovl", "raw, not qcow2"), "a format that is not the recorded one");
	ok(image(f, "broken/bad.qcow2")->fault, "a header that is none");
	for (size_t i = 0; i < f->n_images; i++) {
		size_t steps = 0;

		for (size_t at = i; at != FOREST_NONE && steps <= f->n_images; at = f->images[at].below)
			steps++;
		ok(steps <= f->n_images, "the way down from '%s' ends", f->images[i].path);
	}
	forest_free(f);
}

/* A guest writes a qcow2 header into its raw disk, which names a file of the host. */
static void test_guest_header(void)
{
	struct forest *f;

	must(mkdir(in("guest"), 0700));
	overlay("guest/disk.img", in("elsewhere/lone"), "raw");
	overlay("guest/a.ovl", "disk.img", "raw");
	f = read_forest("guest");
	ok(f->n_images == 2 && image(f, "guest/disk.img")->format == IMAGE_RAW &&
		   image(f, "guest/disk.img")->below == FOREST_NONE,
	   "it stays raw, and what it names is not followed");
	forest_free(f);
}

static void test_other_files(void)
{
	static uint8_t built[BUILT_BYTES];
	size_t at = AT_EXTENSIONS, data, nested;
	struct forest *f;

	must(mkdir(in("more"), 0700));
	write_file("more/data", "guest data");
	write_file("more/nested", "deeper");
	build_qcow2(built);
	put64(built, AT_INCOMPATIBLE, QCOW2_INCOMPATIBLE_DATA_FILE);
	put_extension(built, &at, 0x44415441, "data", 4);
	image_write(in("more/a.qcow2"), built);
	overlay("more/b.ovl",
		"json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"a.qcow2\"},"
		"\"backing\":{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"nested\"}}}",
		NULL);
	f = read_forest("more");
	data = forest_find(f, in("more/data"));
	nested = forest_find(f, in("more/nested"));
	ok(data != FOREST_NONE && image(f, "more/a.qcow2")->n_also == 1 && image(f, "more/a.qcow2")->also[0] == data,
	   "an external data file");
	ok(image(f, "more/data")->n_above == 1, "is needed");
	ok(stands_on(f, "more/b.ovl", "more/a.qcow2"), "a json: name");
	ok(nested != FOREST_NONE && image(f, "more/b.ovl")->n_also == 1 && image(f, "more/b.ovl")->also[0] == nested,
	   "and what it nests");
	forest_free(f);
}

/* --- checkpoints ------------------------------------------------------------------------------------------------- */

static json_t *frozen(const char *path, const char *format)
{
	struct identity id;
	struct err e;

	must(identity_read(path, &id, &e));
	return json_of("{s:s, s:s, s:o}", "path", path, "format", format, "identity", identity_to_json(&id));
}

/* A checkpoint that froze `top`, whose backing file is `base`. */
static void write_checkpoint(const char *dir, const char *name, const char *top, const char *base)
{
	char manifest[128];
	json_t *m = json_of("{s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:i, s:{s:s, s:s, s:i}, s:[], s:[]}", "schema",
			    MANIFEST_SCHEMA, "name", name, "checkpoint", in(dir), "engine", "stop", "layout", "pages",
			    "pause_ms", 1.0, "total_ms", 1.0, "state_bytes", 1, "qemu", "version", "7.2.0", "machine",
			    "pc", "memory", 4096, "ram_blocks", "files");
	json_t *disk = json_of("{s:s, s:i, s:[o, o]}", "device", "d0", "virtual_size", 64 << 20, "chain",
			       frozen(in(top), "qcow2"), frozen(in(base), "raw"));

	json_object_set_new(m, "disks", json_of("[o]", disk));
	snprintf(manifest, sizeof(manifest), "%s/" MANIFEST_NAME, dir);
	must(mkdir(in(dir), 0700));
	must(json_dump_file(m, in(manifest), 0));
	json_decref(m);
}

static bool ignore_checkpoints(void *ctx, bool checkpoint, size_t index)
{
	(void)ctx;
	(void)index;
	return checkpoint;
}

static bool ignore_all(void *ctx, bool checkpoint, size_t index)
{
	(void)ctx;
	(void)checkpoint;
	(void)index;
	return true;
}

static void expect_need(const struct forest *f, const char *name, bool (*ignore)(void *, bool, size_t),
			const char *part)
{
	char *why = forest_needed_by(f, forest_find(f, in(name)), ignore, NULL);

	ok(part ? why && strstr(why, part) : !why, "%s: %s", name, why ? why : "nothing needs it");
	free(why);
}

static void test_checkpoints(void)
{
	struct forest *f;

	must(mkdir(in("vm"), 0700));
	write_file("vm/base.img", "raw");
	overlay("vm/x0.ovl", "base.img", "raw");
	write_checkpoint("vm/x1.ckpt", "x1", "vm/x0.ovl", "vm/base.img");
	overlay("vm/x1.ovl", "x0.ovl", "qcow2");
	must(mkdir(in("vm/x1.ckpt/ram"), 0700));
	overlay("vm/x1.ckpt/ram/pc.ram", "nowhere", NULL); /* as a guest could make it look */
	must(mkdir(in("vm/x1.ckpt/disks"), 0700));
	overlay("vm/x1.ckpt/disks/copy.qcow2", NULL, NULL);
	write_checkpoint("vm/x1.ckpt/disks/x0.ckpt", "x0", "vm/x0.ovl", "vm/base.img");
	must(mkdir(in("vm/x2.ckpt.partial"), 0700));
	must(mkdir(in("vm/x1.run-1"), 0700));
	overlay("vm/x1.run-1/d0.ovl", in("vm/x0.ovl"), "qcow2");

	f = read_forest("vm");
	ok(f->n_images == 5, "RAM is no image");
	ok(f->n_checkpoints == 2 && f->checkpoints[0].m && !f->checkpoints[0].fault && f->checkpoints[0].n_images == 2,
	   "a checkpoint and its images, but not its copies of others");
	ok(!f->checkpoints[1].m && strstr(f->checkpoints[1].fault, "not finished"), "one that was not finished");
	ok(image(f, "vm/x1.ckpt/disks/copy.qcow2")->inside == 0 && image(f, "vm/x1.ovl")->inside == FOREST_NONE,
	   "what lies in it");
	expect_need(f, "vm/base.img", NULL, "it is the backing file of");
	expect_need(f, "vm/base.img", ignore_all, NULL);
	expect_need(f, "vm/x1.ovl", NULL, NULL);
	expect_need(f, "vm/x1.ckpt/disks/copy.qcow2", NULL, "checkpoint 'x1' needs it");
	expect_need(f, "vm/x1.ckpt/disks/copy.qcow2", ignore_checkpoints, NULL);
	forest_free(f);

	overlay("vm/x0.ovl", NULL, NULL);
	f = read_forest("vm/x1.ckpt");
	ok(f->n_checkpoints == 1 && f->checkpoints[0].fault && strstr(f->checkpoints[0].fault, "changed"),
	   "alone, and with an image that was changed");
	ok(image(f, "vm/x0.ovl")->outside, "which lies outside");
	must(unlink(in("vm/x0.ovl")));
	forest_free(f);
	f = read_forest("vm/x1.ckpt");
	ok(f->checkpoints[0].fault && strstr(f->checkpoints[0].fault, "missing") && f->checkpoints[0].n_images == 1,
	   "with an image that is gone");
	forest_free(f);
}

/* --- use, and size ----------------------------------------------------------------------------------------------- */

/* Another process that locks it as QEMU does; it ends when its pipe is closed. */
static pid_t lock_image(const char *name, int *hold)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 101, .l_len = 1 };
	int ready[2], end[2];
	char byte;
	pid_t pid;

	must(pipe(ready) | pipe(end));
	pid = fork();
	if (pid == 0) {
		int fd = open(in(name), O_RDWR);

		close(end[1]);
		must(fcntl(fd, F_OFD_SETLK, &lock));
		must((int)write(ready[1], "", 1));
		_exit(read(end[0], &byte, 1) < 0);
	}
	must((int)read(ready[0], &byte, 1));
	*hold = end[1];
	return pid;
}

static void test_use(void)
{
	char words[64];
	struct forest *f;
	int hold;
	pid_t pid = lock_image("plain/sub/b", &hold);

	f = read_forest("plain");
	ok(image(f, "plain/sub/b")->use == IMAGE_WRITTEN && image(f, "plain/sub/b")->pid == pid, "an image in use");
	ok(image(f, "plain/a.ovl")->use == IMAGE_UNUSED, "one that is not");
	snprintf(words, sizeof(words), "process %d (test_forest) writes to it", pid);
	expect_need(f, "plain/sub/b", NULL, words);
	forest_free(f);
	close(hold);
}

static void test_names(void)
{
	const struct forest_image *one;
	struct forest *f;

	must(mkdir(in("names"), 0700));
	must(mkdir(in("names/x1.ckpt"), 0700));
	must(mkdir(in("names/x2.ckpt"), 0700));
	overlay("names/x1.ckpt/a.img", NULL, NULL);
	must(link(in("names/x1.ckpt/a.img"), in("names/x2.ckpt/b.img")));
	f = read_forest("names");
	one = image(f, "names/x2.ckpt/b.img");
	ok(f->n_images == 1 && one->links == 2 && one->names.n == 1 &&
		   strcmp(one->names.paths[0], in("names/x2.ckpt/b.img")) == 0,
	   "two hard links are one image with two names");
	ok(forest_image_inside(f, 0, 0) && forest_image_inside(f, 0, 1), "in both directories");
	ok(forest_checkpoint_find(f, in("names/x1.ckpt/../x2.ckpt")) == 1 &&
		   forest_checkpoint_find(f, in("names")) == FOREST_NONE,
	   "a checkpoint by another name of its directory");
	forest_free(f);
}

static void test_many(void)
{
	struct forest *f;
	int64_t began;

	must(mkdir(in("many"), 0700));
	for (int i = 0; i < 2000; i++) {
		char name[32], below[32];

		snprintf(name, sizeof(name), "many/%d.ovl", i);
		snprintf(below, sizeof(below), "%d.ovl", i - 1);
		overlay(name, i ? below : NULL, i ? "qcow2" : NULL);
	}
	began = clock_ns();
	f = read_forest("many");
	ok(f->n_images == 2000 && stands_on(f, "many/1999.ovl", "many/1998.ovl"), "a chain of 2000, in %.0f ms",
	   clock_ms_between(began, clock_ns()));
	forest_free(f);
}

int main(void)
{
	char command[128];

	strcpy(root, access("/dev/shm", W_OK) == 0 ? "/dev/shm/mplcr-forest.XXXXXX" : "/tmp/mplcr-forest.XXXXXX");
	if (!mkdtemp(root))
		abort();
	test_chains();
	test_broken();
	test_guest_header();
	test_other_files();
	test_checkpoints();
	test_use();
	test_names();
	test_many();
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	must(system(command));
	return done();
}
