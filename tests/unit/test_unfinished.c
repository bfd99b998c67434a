/* SPDX-License-Identifier: MIT */
/* checkpoint/unfinished: what the journal of a checkpoint under way says, and when it is not obeyed. */
#include "checkpoint/unfinished/unfinished.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "tap.h"

#define PARTIAL "d/x1.ckpt.partial"
#define JOURNAL PARTIAL "/undo.jsonl"

static char here[] = "/tmp/mplcr-test.XXXXXX";

static void put(const char *path, const char *text)
{
	struct err e;

	unlink(path);
	if (file_create(AT_FDCWD, path, text, strlen(text), &e) < 0)
		printf("# %s\n", e.text);
}

static char *absolute(const char *path)
{
	return path_join(here, path);
}

/* Writes a journal of one disk that is at work, in a directory made anew. */
static bool write_one(void)
{
	_cleanup_free_ char *partial = absolute(PARTIAL), *frozen = absolute("d/a"), *overlay = absolute("d/a.ovl");
	struct unfinished_disk disk = {
		.device = "drive0",
		.frozen = frozen,
		.format = "raw",
		.below = "n0",
		.overlay = overlay,
		.node = "n1",
	};
	struct unfinished u = {
		.partial = partial,
		.created = "now",
		.engine = "stop",
		.socket = "/s",
		.was_running = true,
		.disks = &disk,
		.n_disks = 1,
	};
	_cleanup_json_ json_t *capabilities = json_array();
	_cleanup_close_ int dirfd = -1;
	struct unfinished_journal *j;
	struct err e = { 0 };
	bool good;

	(void)!dir_remove(PARTIAL);
	mkdir("d", 0700);
	put("d/a", "image");
	put("d/a.ovl", "");
	if (mkdir(PARTIAL, 0700) < 0)
		return false;
	dirfd = open(PARTIAL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	j = unfinished_begin(&u, dirfd, &e);
	u.at_work = true;
	u.capabilities = capabilities;
	good = j && unfinished_claimed(j, 0, overlay, &e) == 0 && unfinished_made(j, 0, 42, &e) == 0 &&
	       unfinished_sync(j, &e) == 0 && unfinished_note(j, &u, &e) == 0 && unfinished_note(j, &u, &e) == 0;
	if (!good)
		printf("# %s\n", e.text);
	unfinished_close(j);
	return good;
}

static int read_at(const char *dir, struct unfinished *u)
{
	_cleanup_free_ char *path = absolute(dir);
	_cleanup_close_ int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = { 0 };
	int result = unfinished_read(u, dirfd, path, &e);

	if (result < 0)
		printf("# %s\n", e.text);
	return result;
}

/* What unfinished_read answers of it. */
static int answer(const char *dir)
{
	struct unfinished u;
	int result = read_at(dir, &u);

	unfinished_release(&u);
	return result;
}

static void whole(void)
{
	_cleanup_free_ char *overlay = absolute("d/a.ovl");
	struct unfinished u;

	ok(write_one() && read_at(PARTIAL, &u) == 1, "it is written and read");
	ok(u.at_work && u.was_running && u.this_boot && json_is_array(u.capabilities) && !u.parameters, "what was noted");
	ok(u.n_disks == 1 && u.disks[0].claimed && u.disks[0].made_ns == 42 && strcmp(u.disks[0].overlay, overlay) == 0,
	   "the disk");
	ok(unfinished_has_overlay(&u.disks[0]), "its overlay is there");
	put("d/other", "x");
	ok(rename("d/other", "d/a.ovl") == 0 && !unfinished_has_overlay(&u.disks[0]),
	   "another file of that name is not it");
	unfinished_release(&u);
	unlink(JOURNAL);
	ok(answer(PARTIAL) == 0, "where there is none, none is read");
}

/* Cuts the journal at `size`, and appends `text`. */
static void cut(off_t size, const char *text)
{
	_cleanup_close_ int fd = open(JOURNAL, O_WRONLY | O_CLOEXEC);

	if (ftruncate(fd, size) < 0 || lseek(fd, 0, SEEK_END) < 0 || write(fd, text, strlen(text)) < 0)
		printf("# cannot change it\n");
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

static void torn(void)
{
	struct unfinished u;
	off_t size;

	ok(write_one(), "a journal");
	size = size_of(JOURNAL);
	cut(size - 5, "");
	ok(read_at(PARTIAL, &u) == 1 && !u.at_work && u.disks[0].claimed, "half a line at the end does not count");
	unfinished_release(&u);
	ok(write_one(), "a journal");
	cut(size_of(JOURNAL), "{\"vm\":{\"at_work\":false},\"n\":5}\n");
	ok(read_at(PARTIAL, &u) == 1 && u.at_work, "nor does a line that is not signed");
	unfinished_release(&u);
	cut(3, "");
	ok(answer(PARTIAL) == -1, "without a first line it is none");
}

/* Replaces `from` by `to`, of the same length, in the journal. */
static bool edit(const char *from, const char *to)
{
	struct err e;
	size_t size;
	_cleanup_free_ char *text = file_read(AT_FDCWD, JOURNAL, 1 << 20, &size, &e);
	char *at = text ? strstr(text, from) : NULL;

	if (!at)
		return false;
	memcpy(at, to, strlen(to));
	put(JOURNAL, text);
	return true;
}

static void foreign(void)
{
	ok(write_one() && edit("\"uid\":", "\"uix\":") && answer(PARTIAL) == -1, "one that was changed is not obeyed");
	ok(write_one() && chmod(JOURNAL, 0666) == 0 && answer(PARTIAL) == -1, "nor one that others can write");
	ok(write_one() && link(JOURNAL, "d/link") == 0 && answer(PARTIAL) == -1 && unlink("d/link") == 0,
	   "nor one with another name");
	ok(write_one() && setenv("MPLCR_KEY", "./other", 1) == 0 && answer(PARTIAL) == -1, "nor one of another key");
	setenv("MPLCR_KEY", "./key", 1);
	ok(answer(PARTIAL) == 1, "but with its own it is");
	ok(rename(PARTIAL, "d/x2.ckpt.partial") == 0 && answer("d/x2.ckpt.partial") == -1, "nor under another name");
	ok(mkdir(PARTIAL, 0700) == 0 && rename("d/x2.ckpt.partial/undo.jsonl", JOURNAL) == 0 && answer(PARTIAL) == -1,
	   "nor in another directory");
	rmdir("d/x2.ckpt.partial");
	ok(write_one() && rename("d", "e") == 0 && mkdir("d", 0700) == 0 && rename("e/x1.ckpt.partial", PARTIAL) == 0 &&
		   answer(PARTIAL) == -1,
	   "nor where its directory was moved to another");
}

static void locked(void)
{
	_cleanup_close_ int a = -1, b = -1;
	struct err e;

	ok(write_one(), "a journal");
	a = open(PARTIAL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b = open(PARTIAL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(unfinished_lock(a, &e) == 0 && unfinished_lock(b, &e) == 1, "one at a time");
}

/* A journal that names what it must not. */
static void hostile(void)
{
	static const char *const names[] = { "../a", "a/b", ".", "..", "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_json_ json_t *line = json_of(
			"{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:{s:i, s:i}, s:{s:i, s:i}, s:{s:i, s:i}, s:{s:i, s:i}, s:[{s:s, s:s, "
			"s:s, s:s, s:{s:s, s:s, s:{s:i, s:i}}}]}",
			"schema", UNFINISHED_SCHEMA, "n", 0, "id", "i", "name", "x1.ckpt.partial", "created", "c",
			"engine", "e", "socket", "/s", "vm", "pid", 1, "started", 1, "tool", "pid", 1, "started", 1,
			"dir", "filesystem", 1, "inode", 1, "in", "filesystem", 1, "inode", 1, "disks", "device", "d", "frozen",
			"/f", "format", "raw", "below", "b", "overlay", "name", names[i], "node", "n", "in", "filesystem", 1,
			"inode", 1);
		_cleanup_free_ char *text = json_dumps(line, 0), *whole_line = text_of("%s\n", text);
		struct unfinished u;
		struct err e;

		ok(unfinished_parse(&u, whole_line, strlen(whole_line), "/d", &e) == -1, "an overlay '%s' is refused",
		   names[i]);
		unfinished_release(&u);
	}
}

int main(void)
{
	struct err e;

	if (!mkdtemp(here) || chdir(here) < 0)
		return 1;
	setenv("MPLCR_KEY", "./key", 1);
	whole();
	torn();
	foreign();
	locked();
	hostile();
	ok(chdir("/") == 0 && dir_remove_tree(here, &e) == 0, "all removed");
	return done();
}
