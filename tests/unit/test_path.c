/* SPDX-License-Identifier: MIT */
/* path.h. */
#include "base/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "tap.h"

static bool is(char *got, const char *expected)
{
	bool same = got && strcmp(got, expected) == 0;

	free(got);
	return same;
}

static void paths(const char *dir)
{
	char *link = text_of("%s/to", dir), *there_file = text_of("%s/to/new", dir),
	     *real_file = text_of("%s/d/new", dir);
	char *sub = text_of("%s/d", dir), *none = text_of("%s/nosuch/new", dir);

	ok(is(path_dir("a"), ".") && is(path_dir("/a"), "/") && is(path_dir("/a/b"), "/a") && is(path_dir("a/b"), "a"),
	   "path_dir");
	ok(strcmp(path_base("/a/b"), "b") == 0 && strcmp(path_base("b"), "b") == 0 && path_base("a/")[0] == '\0',
	   "path_base");
	ok(is(path_trimmed("/a/b//"), "/a/b") && is(path_trimmed("a"), "a") && is(path_trimmed("//"), "/") &&
		   is(path_trimmed(""), ""),
	   "path_trimmed");
	ok(is(path_join("/a", "b"), "/a/b") && is(path_join("/a", "/b"), "/b"), "path_join");
	ok(strcmp(path_below("/a", "/a/b/c"), "b/c") == 0 && strcmp(path_below("/", "/a"), "a") == 0, "below");
	ok(!path_below("/a", "/ab") && !path_below("/a", "/a") && !path_below("/a", "/a/") &&
		   !path_below("/a/b", "/a") && !path_below("/", "/"),
	   "not below");
	ok(mkdir(sub, 0700) == 0 && symlink("d", link) == 0, "a directory and a link to it");
	ok(is(path_real_parent(there_file), real_file), "the directory is resolved, the file need not be there");
	ok(is(path_real_parent("/new"), "/new"), "nor in the root");
	ok(!path_real_parent(none) && errno == ENOENT, "a directory that is not there");
	free(link);
	free(there_file);
	free(real_file);
	free(sub);
	free(none);
}

int main(void)
{
	char dir[] = "/tmp/test_path.XXXXXX";
	char *command;

	if (!mkdtemp(dir))
		return 1;
	paths(dir);
	command = text_of("rm -rf '%s'", dir);
	ok(system(command) == 0, "cleaned up");
	free(command);
	return done();
}
