/* SPDX-License-Identifier: MIT */
/* ckpt_remove.h, and allocated.h: what is removed, and what it took. */
#include "checkpoint/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/allocated.h"
#include "base/file.h"
#include "base/memory.h"
#include "tap.h"

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void put(const char *path, size_t size)
{
	char *data = memory_of(size, 1);
	struct err e;

	memset(data, 'x', size);
	if (file_create(AT_FDCWD, path, data, size, &e) < 0)
		printf("# %s\n", e.text);
	free(data);
}

static void make_checkpoint(const char *dir)
{
	char path[PATH_MAX];

	mkdir(dir, 0700);
	for (const char *const *sub = (const char *const[]){ "ram", "disks", NULL }; *sub; sub++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *sub);
		mkdir(path, 0700);
		snprintf(path, sizeof(path), "%s/%s/one", dir, *sub);
		put(path, 8192);
	}
	snprintf(path, sizeof(path), "%s/checkpoint.json", dir);
	put(path, 2);
}

static void whole(void)
{
	struct err e = { 0 };

	make_checkpoint("x1.ckpt");
	ok(checkpoint_remove("x1.ckpt/", &e) == 0, "a checkpoint is removed: %s", e.text);
	ok(!there("x1.ckpt") && !there("x1.ckpt.removed.partial"), "and nothing is left of it");
	ok(checkpoint_remove("x1.ckpt", &e) == -1 && e.sys == ENOENT && e.status == EXIT_FAILED,
	   "then there is none: %s", e.text);
}

static void left_over(void)
{
	struct err e = { 0 };

	make_checkpoint("x2.ckpt.removed.partial");
	ok(checkpoint_remove("x2.ckpt", &e) == 0 && !there("x2.ckpt.removed.partial"),
	   "what an earlier removal left goes, too");
	make_checkpoint("x2.ckpt.removed.partial");
	make_checkpoint("x2.ckpt");
	ok(checkpoint_remove("x2.ckpt", &e) == 0 && !there("x2.ckpt") && !there("x2.ckpt.removed.partial"),
	   "and a new one of that name with it");
}

static void others(void)
{
	struct err e = { 0 };

	mkdir("d", 0700);
	put("d/f", 1);
	ok(checkpoint_remove("d", &e) == -1 && e.status == EXIT_FAILED && there("d/f"), "no other directory is: %s",
	   e.text);
	make_checkpoint("x3.ckpt");
	mkdir("x3.ckpt/ram/a", 0700);
	mkdir("x3.ckpt/ram/a/b", 0700);
	ok(checkpoint_remove("x3.ckpt", &e) == -1 && e.status == EXIT_PARTIAL && !there("x3.ckpt") &&
		   there("x3.ckpt.removed.partial"),
	   "what is not of a checkpoint stays, under a name that is none: %s", e.text);
}

static void bytes(void)
{
	mkdir("b", 0700);
	put("b/one", 8192);
	ok(allocated_unshared("b/one") == 8192, "a file takes up its bytes");
	ok(truncate("b/one", 1 << 20) == 0 && allocated_unshared("b/one") == 8192, "holes take up none");
	ok(symlink("one", "b/link") == 0 && allocated_below("b") == 8192, "nor do links");
	ok(link("b/one", "other") == 0 && allocated_below("b") == 0,
	   "a file with another name would give nothing back");
	ok(allocated_below("none") == 0 && allocated_unshared("none") == 0, "nor does one that is not there");
}

int main(void)
{
	char dir[] = "/tmp/mplcr-test.XXXXXX";

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	whole();
	left_over();
	others();
	bytes();
	if (chdir("/") == 0) {
		char command[64];

		snprintf(command, sizeof(command), "rm -rf %s", dir);
		ok(system(command) == 0, "cleaned up");
	}
	return done();
}
