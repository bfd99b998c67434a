/* SPDX-License-Identifier: MIT */
/* backing_name.h */
#include "image/backing_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tap.h"

static void relative(const char *dir, const char *to, const char *expected)
{
	char *got = relative_name(dir, to);

	ok(strcmp(got, expected) == 0, "from %s, %s is %s", dir, to, got);
	free(got);
}

static void relatives(void)
{
	relative("/a/b", "/a/b/c", "c");
	relative("/a/b", "/a/b/c/d", "c/d");
	relative("/a/b", "/a/c", "../c");
	relative("/a/b", "/a/bc", "../bc");
	relative("/a/b", "/x/y", "../../x/y");
	relative("/", "/x", "x");
	relative("/a", "/a/nbd:x", "./nbd:x");
	relative("/a", "/a/b/nbd:x", "b/nbd:x");
}

static bool named(const char *image, const char *backing, bool absolute, const char *expected)
{
	char *name = backing_name(image, backing, absolute);
	bool good = strcmp(name, expected) == 0;

	if (!good)
		printf("# '%s'\n", name);
	free(name);
	return good;
}

static void names(const char *dir)
{
	char *a = text_of("%s/run/x/a.ovl", dir), *b = text_of("%s/base/b.img", dir), *c = text_of("%s/c:d", dir);
	char *beside = text_of("%s/new.ovl", dir), *make = text_of("mkdir -p '%s/run/x' '%s/base'", dir, dir);

	ok(system(make) == 0, "two directories");
	ok(named(a, b, false, "../../base/b.img"), "up and down");
	ok(named(b, a, false, "../run/x/a.ovl"), "and back");
	ok(named(a, b, true, b), "absolute, as it is wished");
	ok(named(beside, b, false, "base/b.img") && named("/nosuch/a", "/nosuch/b", false, "b"), "down, and beside");
	ok(named(beside, c, false, "./c:d"), "no protocol");
	ok(named(b, c, false, "../c:d"), "nor here");
	ok(named("/a.ovl", "/proc/b", false, "/proc/b") && named(a, "/proc/b", false, "/proc/b"), "no tree in common");
	free(a);
	free(b);
	free(c);
	free(beside);
	free(make);
}

int main(void)
{
	char dir[] = "/tmp/test_backing_name.XXXXXX";
	char *command;

	if (!mkdtemp(dir))
		return 1;
	relatives();
	names(dir);
	command = text_of("rm -rf '%s'", dir);
	ok(system(command) == 0, "cleaned up");
	free(command);
	return done();
}
