/* SPDX-License-Identifier: MIT */
/* chain.h: chains of small images in a directory of their own. */
#include "image/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "qcow2_builder.h"
#include "tap.h"

static uint8_t image[BUILT_BYTES];

static void write_file(const char *name, const void *bytes, size_t n)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	close(fd);
}

/* An image in the working directory; `backing` NULL: none. */
static void make(const char *name, const char *backing, const char *format)
{
	build_qcow2(image);
	if (backing)
		build_backing(image, backing, format);
	write_file(name, image, sizeof(image));
}

/* The states of the chain's images, a letter each. */
static const char *states(const struct chain *c)
{
	static const char letters[] = ".m!rpnctx"; /* in the order of enum chain_state */
	static char text[64];
	size_t i;

	for (i = 0; i < c->n && i < 60; i++)
		text[i] = letters[c->images[i].state];
	text[i] = '\0';
	return text;
}

/* Reads the chain of `name`; checks the states of its images, and whether it is whole. */
static struct chain *check(const char *name, const char *expected, bool whole)
{
	struct chain *c = chain_read(name, NULL, 8);
	struct err e = { 0 };
	bool is_whole = chain_whole(c, &e) == 0;

	if (!ok(strcmp(states(c), expected) == 0 && is_whole == whole, "%s: %s (%s)", name, states(c), e.text))
		printf("# expected %s\n", expected);
	return c;
}

static void quick(const char *name, const char *expected, bool whole)
{
	chain_free(check(name, expected, whole));
}

static void test_names(const char *dir)
{
	_cleanup_chain_ struct chain *c = NULL;
	char path[256];

	make("base", NULL, NULL);
	make("sub/mid", "../base", "qcow2");
	make("top", "sub/mid", "qcow2");
	c = check("./top", "...", true);
	snprintf(path, sizeof(path), "%s/sub/../base", dir);
	ok(strcmp(c->images[2].path, path) == 0 && strcmp(c->images[2].name, "../base") == 0, "%s", c->images[2].path);
	ok(c->images[0].path[0] == '/' && !c->images[0].recorded_format && c->images[0].size == BUILT_BYTES,
	   "the top is as it was given");
	make("file", "file:base", "qcow2");
	quick("file", "..", true);
	make("sub/file", "file:base", "qcow2");
	quick("sub/file", "..", true); /* relative to the working directory */
	if (symlink("../top", "sub/link") < 0)
		abort();
	quick("sub/link", ".m", false); /* QEMU takes the directory of the link */
}

static void test_json(void)
{
	_cleanup_chain_ struct chain *c = NULL;

	make("moved", "/gone/base", "qcow2");
	make("j1",
	     "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"moved\"},"
	     "\"backing\":{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"base\"}}}",
	     "qcow2");
	c = check("j1", "...", true);
	ok(c->images[1].json && c->images[2].format == IMAGE_RAW && c->images[2].found == IMAGE_QCOW2,
	   "json: overrides the header below it");
	make("j2", "json:{\"driver\":\"qcow2\",\"file.filename\":\"moved\",\"backing\":null}", "qcow2");
	quick("j2", "..", true);
	make("j3", "json:{\"driver\":\"qcow2\",\"file.filename\":\"moved\",\"backing\":\"node\"}", "qcow2");
	quick("j3", "..n", false);
	make("j4", "json:{", "qcow2");
	quick("j4", ".n", false);
	make("j5", "nbd://host/x", "raw");
	quick("j5", ".p", false);
}

static void test_formats(void)
{
	_cleanup_chain_ struct chain *c = NULL;

	make("as-raw", "moved", "raw");
	c = check("as-raw", "..", true);
	ok(c->images[1].format == IMAGE_RAW && c->images[1].found == IMAGE_QCOW2 && !c->images[1].header.backing_name &&
		   c->images[1].header.virtual_size == BUILT_BYTES,
	   "what is recorded as raw is raw, whatever it holds");
	write_file("raw", "hello", 5);
	make("wrong", "raw", "qcow2");
	quick("wrong", "..", false);
	make("probed", "base", NULL);
	quick("probed", "..", true);
	make("unknown", "base", "no-such");
	quick("unknown", "..", false);
	make("file-driver", "base", "file");
	quick("file-driver", "..", true);
	chain_free(chain_read("raw", "raw", 0));
}

static void test_broken(void)
{
	_cleanup_chain_ struct chain *c = NULL, *refused = NULL;
	struct err e;

	quick("nothing", "m", false);
	make("missing", "nothing", "raw");
	quick("missing", ".m", false);
	make("slash", "base/x", "raw");
	quick("slash", ".m", false);
	make("dir", "sub", "raw");
	quick("dir", ".r", false);
	make("dev", "/dev/zero", "raw");
	quick("dev", ".r", false);
	if (mkfifo("fifo", 0600) < 0 || symlink("loop", "loop") < 0)
		abort();
	quick("fifo", "r", false);
	quick("loop", "!", false);
	make("self", "self", "qcow2");
	quick("self", ".c", false);
	make("a", "b", "qcow2");
	make("b", "c", "qcow2");
	if (link("a", "c") < 0)
		abort();
	c = check("a", "..c", false);
	ok(c->images[2].cycle_to == 0, "through a hard link, to the first");
	for (int i = 0; i < 10; i++) {
		char name[8], below[8];

		snprintf(name, sizeof(name), "d%d", i);
		snprintf(below, sizeof(below), "d%d", i + 1);
		make(name, below, "qcow2");
	}
	quick("d0", "........t", false);
	refused = chain_read("d9", NULL, 1);
	ok(refused->n == 2 && refused->images[1].state == CHAIN_TOO_DEEP && chain_whole(refused, &e) < 0, "%s", e.text);
}

/* More images than are allowed where nobody says how many. */
static void test_deep(void)
{
	_cleanup_chain_ struct chain *c = NULL, *all = NULL;
	struct err e;

	for (int i = 0; i < 520; i++) {
		char name[16], below[16];

		snprintf(name, sizeof(name), "deep%d", i);
		snprintf(below, sizeof(below), "deep%d", i + 1);
		build_qcow2(image);
		if (i < 519)
			build_backing(image, below, "qcow2");
		write_file(name, image, 4096);
		if (truncate(name, BUILT_BYTES) < 0)
			abort();
	}
	c = chain_read("deep0", NULL, 0);
	ok(c->n == CHAIN_MAX_DEPTH + 1 && c->images[CHAIN_MAX_DEPTH].state == CHAIN_TOO_DEEP, "%zu images", c->n);
	all = chain_read("deep0", NULL, 520);
	ok(all->n == 520 && chain_whole(all, &e) == 0, "520 where they are allowed");
}

static bool not_base(void *ctx, const char *path, bool is_link)
{
	(void)is_link;
	return strcmp(path_base(path), ctx) != 0;
}

static void test_options(void)
{
	const struct chain_options refuse = { .may_open = not_base, .ctx = "base" }, cut = { .end = true };
	_cleanup_chain_ struct chain *c = chain_read_with("top", &refuse), *d = NULL;

	ok(strcmp(states(c), "..x") == 0 && !c->images[2].size, "what may not be opened is not: %s", states(c));
	make("cut", NULL, NULL);
	if (truncate("cut", 3 * BUILT_CLUSTER + 8) < 0)
		abort();
	quick("cut", ".", true);
	image[2 * BUILT_CLUSTER + 9] = 1;
	write_file("cut", image, 4 * BUILT_CLUSTER);
	d = chain_read_with("cut", &cut);
	ok(d->images[0].header.truncated, "an image that was cut off: %s", d->images[0].header.fault);
}

int main(void)
{
	char made[] = "/tmp/test_chain.XXXXXX", *dir;

	if (!mkdtemp(made) || chdir(made) < 0 || mkdir("sub", 0700) < 0)
		return 1;
	dir = getcwd(NULL, 0);
	test_names(dir);
	test_json();
	test_formats();
	test_broken();
	test_deep();
	test_options();
	ok(chdir("/") == 0 && dir_remove(made) == 0, "cleaned up");
	free(dir);
	return done();
}
