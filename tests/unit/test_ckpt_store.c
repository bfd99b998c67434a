/* SPDX-License-Identifier: MIT */
/* checkpoint/names.h, checkpoint/store.h: what checkpoints are called, and that none is there by half or replaced. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "checkpoint/names.h"
#include "checkpoint/store.h"
#include "tap.h"

static bool there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void check_names(void)
{
	_cleanup_free_ char *path = checkpoint_path("/vm", "x1"), *partial = checkpoint_path_partial("/", "x1");

	ok(strcmp(path, "/vm/x1.ckpt") == 0 && strcmp(partial, "/x1.ckpt.partial") == 0, "%s, %s", path, partial);
	ok(checkpoint_is_named("/vm/x1.ckpt/") && !checkpoint_is_named("x1.ckpt.partial") &&
		   !checkpoint_is_named(".ckpt"),
	   "which is a checkpoint's");
	ok(checkpoint_is_partial("x1.ckpt.partial//") && checkpoint_is_partial("x1.ckpt.removed.partial") &&
		   !checkpoint_is_partial("x1.ckpt") && !checkpoint_is_partial(""),
	   "which is unfinished");
	ok(checkpoint_is_removed("x1.ckpt.removed.partial/") && !checkpoint_is_removed("x1.ckpt.partial"),
	   "which is removed");
}

static void check_publish(void)
{
	_cleanup_close_ int dirfd = -1;
	struct err e = { 0 };
	struct stat st;

	dirfd = store_claim("x1.ckpt.partial", "x1.ckpt", &e);
	ok(dirfd >= 0 && fstat(dirfd, &st) == 0 && (st.st_mode & 07777) == 0700, "a name is claimed %s", e.text);
	ok(store_claim("x1.ckpt.partial", "x1.ckpt", &e) == -1 && e.sys == EEXIST, "by one: %s", e.text);
	ok(file_create(dirfd, MANIFEST_NAME, "{}", 2, &e) == 0 &&
		   store_publish(dirfd, "x1.ckpt.partial", "x1.ckpt", &e) == 0,
	   "a checkpoint is published %s", e.text);
	ok(there("x1.ckpt/" MANIFEST_NAME) && !there("x1.ckpt.partial"), "and is there as a whole");
}

static void check_no_replacement(void)
{
	struct err e = { 0 };
	_cleanup_close_ int dirfd = store_claim("x2.ckpt.partial", "x2.ckpt", &e);

	ok(mkdir("x2.ckpt", 0700) == 0 && store_publish(dirfd, "x2.ckpt.partial", "x2.ckpt", &e) == -1 &&
		   e.sys == EEXIST && there("x2.ckpt.partial"),
	   "what is there is not replaced: %s", e.text);
	ok(store_claim("nowhere/x3.ckpt.partial", "nowhere/x3.ckpt", &e) == -1 && e.sys == ENOENT, "no directory: %s", e.text);
}

static void check_open(void)
{
	struct err e = { 0 };
	_cleanup_close_ int dirfd = store_open("x1.ckpt/", &e);

	ok(dirfd >= 0 && faccessat(dirfd, MANIFEST_NAME, F_OK, 0) == 0, "a checkpoint is opened %s", e.text);
	ok(store_open("x2.ckpt", &e) == -1 && strstr(e.text, "no " MANIFEST_NAME), "not an empty directory: %s", e.text);
	ok(store_open("x2.ckpt.partial", &e) == -1 && strstr(e.text, "not finished"), "nor an unfinished one: %s", e.text);
	ok(store_open("x1", &e) == -1 && strstr(e.hint, "x1.ckpt"), "what may be meant is said: %s", e.hint);
	ok(store_open("x9.ckpt", &e) == -1 && e.sys == ENOENT, "or not: %s", e.text);
}

int main(void)
{
	char root[] = "/tmp/mplcr-store.XXXXXX";
	_cleanup_free_ char *command = NULL;

	if (!mkdtemp(root) || chdir(root) < 0)
		return 1;
	check_names();
	check_publish();
	check_no_replacement();
	check_open();
	if (asprintf(&command, "rm -rf %s", root) < 0 || chdir("/") < 0 || system(command) != 0)
		return 1;
	return done();
}
