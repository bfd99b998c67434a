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

/* Links lead into DIR/in, out of it, and through it. */
static void passing(const char *dir)
{
	char *in = text_of("%s/in", dir), *out = text_of("%s/out", dir), *made[7];
	static const char *const links[][2] = {
		{ "in/there", "../out" }, { "way", "in" }, { "chain", "way/there" }, { "loop", "loop" }, { "abs", NULL },
	};

	ok(mkdir(in, 0700) == 0 && mkdir(out, 0700) == 0, "two directories");
	for (size_t i = 0; i < 5; i++) {
		char *at = text_of("%s/%s", dir, links[i][0]);

		ok(symlink(links[i][1] ? links[i][1] : in, at) == 0, "link %s", links[i][0]);
		free(at);
	}
	made[0] = text_of("%s/in/x", dir);
	made[1] = text_of("%s/out/../in/../out/x", dir);
	made[2] = text_of("%s/chain/x", dir);
	made[3] = text_of("%s/abs", dir);
	made[4] = text_of("%s/loop/x", dir);
	made[5] = text_of("//%s//out/./x", dir);
	made[6] = text_of("%s/in2/x", dir);
	for (size_t i = 0; i < 7; i++) {
		ok(path_passes(made[i], in) == (i < 5), "%s", made[i] + strlen(dir));
		free(made[i]);
	}
	ok(path_passes("/a", "/") && !path_passes("/", dir), "the root");
	free(in);
	free(out);
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
	passing(dir);
	command = text_of("rm -rf '%s'", dir);
	ok(system(command) == 0, "cleaned up");
	free(command);
	return done();
}
