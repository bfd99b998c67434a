/* SPDX-License-Identifier: MIT */
/* file.h: whole files, and the removal of what is ours. */
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void files(int dir)
{
	struct err e = { 0 };
	struct stat st;
	size_t size = 0;
	char *text;

	umask(0);
	ok(file_create(dir, "f", "abc\0d", 5, &e) == 0, "a file is made");
	ok(fstatat(dir, "f", &st, 0) == 0 && (st.st_mode & 07777) == 0600, "for its owner only");
	ok(file_create(dir, "f", "x", 1, &e) == -1 && e.sys == EEXIST && e.status == EXIT_FAILED,
	   "never over another: %s", e.text);
	ok(symlinkat("nowhere", dir, "link") == 0 && file_create(dir, "link", "x", 1, &e) == -1, "nor through a link");
	text = file_read(dir, "f", 5, &size, &e);
	ok(text && size == 5 && memcmp(text, "abc\0d", 6) == 0, "it is read whole, with a NUL behind");
	free(text);
	ok(!file_read(dir, "f", 4, &size, &e) && strstr(e.text, "larger than 4 bytes"), "not when it is too large: %s",
	   e.text);
	ok(!file_read(dir, "nosuch", 4, &size, &e) && e.sys == ENOENT, "not when it is not there");
	ok(!file_read(dir, ".", 4, &size, &e) && strstr(e.text, "not a regular file"), "nor when it is a directory: %s",
	   e.text);
	ok(mkfifoat(dir, "fifo", 0600) == 0 && !file_read(dir, "fifo", 4, &size, &e), "a FIFO does not hang it");
	text = file_read(AT_FDCWD, "/proc/self/status", 1 << 20, &size, &e);
	ok(text && size > 100, "a file of /proc, which has no size");
	free(text);
	ok(path_sync("/nosuch", &e) == -1 && e.sys == ENOENT, "nothing to sync");
}

static void publishing(const char *dir)
{
	char *path = text_of("%s/a/b/whole", dir), *new = text_of("%s.new", path), *text;
	struct stat st;
	struct err e;
	size_t size;

	ok(file_publish(path, "x", 1, 0600, false, &e) == -1 && e.sys == ENOENT, "no directory: %s", e.text);
	ok(dir_make_parents(path, &e) == 0 && dir_make_parents(path, &e) == 0, "it is made, once");
	ok(file_publish(path, "one", 3, 0644, false, &e) == 0 && stat(path, &st) == 0 && (st.st_mode & 07777) == 0644,
	   "a file is published, of that mode");
	ok(file_publish(path, "two", 3, 0600, false, &e) == -1 && e.sys == EEXIST, "not over another: %s", e.text);
	ok(!there(new), "nothing of it is left");
	ok(file_create(AT_FDCWD, new, "left", 4, &e) == 0 && file_publish(path, "two", 3, 0600, true, &e) == 0 && !there(new),
	   "but replaced, though an earlier try was left");
	text = file_read(AT_FDCWD, path, 100, &size, &e);
	ok(text && strcmp(text, "two") == 0, "as a whole");
	free(text);
	free(path);
	free(new);
}

static void removal(const char *dir)
{
	char *ours = text_of("%s/ours", dir), *theirs = text_of("%s/theirs", dir);
	char *deep = text_of("%s/ours/ram/deep", dir), *command;
	struct err e;

	command = text_of(
		"mkdir -p '%s/ram' '%s/theirs' && touch '%s/a' '%s/ram/b' '%s/theirs/precious' && ln -s '%s' '%s/link'",
		ours, dir, ours, ours, dir, theirs, ours);
	ok(system(command) == 0, "a directory of ours, with a link to another");
	ok(dir_remove(ours) == 0 && !there(ours), "it is removed");
	free(command);
	command = text_of("%s/theirs/precious", dir);
	ok(there(command), "the link was not followed");
	free(command);
	ok(dir_remove(ours) == -1 && errno == ENOENT, "a second time there is nothing");
	ok(symlink(theirs, ours) == 0 && dir_remove(ours) == -1 && there(theirs),
	   "a link in its place is not followed");
	unlink(ours);
	command = text_of("mkdir -p '%s' && touch '%s/precious'", deep, deep);
	ok(system(command) == 0 && dir_remove(ours) == -1 && there(deep), "what is deeper than we make stays");
	free(command);
	ok(dir_remove_tree(ours, &e) == 0 && !there(ours), "but goes where all is to go");
	ok(dir_remove_tree(ours, &e) == 0, "a second time there is nothing to do");
	ok(symlink(theirs, ours) == 0 && dir_remove_tree(ours, &e) == -1 && there(theirs), "a link is not followed: %s",
	   e.text);
	free(ours);
	free(theirs);
	free(deep);
}

int main(void)
{
	char dir[] = "/tmp/test_file.XXXXXX";
	char *command;
	int fd;

	if (!mkdtemp(dir))
		return 1;
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	files(fd);
	publishing(dir);
	removal(dir);
	close(fd);
	command = text_of("rm -rf '%s'", dir);
	ok(system(command) == 0, "cleaned up");
	free(command);
	return done();
}
