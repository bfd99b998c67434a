/* SPDX-License-Identifier: MIT */
/* filesystem.h: names; that what it makes durable is so needs filesystems that can crash: see snap.bats. */
#include "image/filesystem.h"

#include <errno.h>
#include <string.h>

#include "tap.h"

static bool is_named(const char *path, const char *expected)
{
	char name[FILESYSTEM_NAME_SIZE];

	filesystem_name(path, name);
	return strcmp(name, expected) == 0;
}

int main(void)
{
	struct err e;

	ok(is_named("/dev/shm", "tmpfs") && !filesystem_of("/dev/shm")->commit, "tmpfs, which has no commit");
	ok(is_named("/proc", "0x9fa0") && !filesystem_of("/proc")->name, "a filesystem without a row: its number");
	ok(is_named("/nosuch", "unknown") && !filesystem_of("/nosuch")->commit, "a file that is not there");
	ok(filesystem_sync("/dev/shm", true, &e) == 0, "clones on a filesystem without a commit: syncfs");
	ok(filesystem_sync("/nosuch", true, &e) == -1 && e.sys == ENOENT, "%s", e.text);
	return done();
}
