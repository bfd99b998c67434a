/* SPDX-License-Identifier: MIT */
/* mplcr-chain/change/journal: all of it, or nothing; and relative_name of backing_name.h. */
#include "mplcr-chain/change/journal/journal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "tap.h"

static void put(const char *path, const char *text)
{
	struct err e;

	unlink(path);
	if (file_create(AT_FDCWD, path, text, strlen(text), &e) < 0)
		printf("# %s\n", e.text);
}

static bool has(const char *path, const char *text)
{
	struct err e;
	size_t size;
	char *got = file_read(AT_FDCWD, path, 100, &size, &e);
	bool same = got && strcmp(got, text) == 0;

	free(got);
	return same;
}

static bool there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* A journal that puts new in place of old, and removes gone; stored. */
static bool prepare(void)
{
	struct journal *j;
	struct err e = { 0 };
	bool good;

	put("old", "old");
	put("gone", "gone");
	unlink("new");
	j = journal_new("journal", &e);
	good = j && journal_rename(j, "new", "old", &e) == 0 && journal_remove(j, "gone", &e) == 0;
	put("new", "new");
	good = good && journal_store(j, &e) == 0;
	if (!good)
		printf("# %s\n", e.text);
	journal_free(j);
	return good;
}

/* Runs it, and says how. */
static int run(struct journal_result *r)
{
	struct err e = { 0 };
	int result = journal_recover("journal", r, &e);

	if (result < 0)
		printf("# %s\n", e.text);
	return result;
}

static void whole(void)
{
	struct journal_result r = { 0 };

	ok(run(&r) == 0 && !r.found, "where there is none, nothing is done");
	ok(prepare() && run(&r) == 0 && r.found && !r.obsolete, "what it says is done");
	ok(has("old", "new") && !there("new") && !there("gone") && !there("journal"), "all of it");
	ok(r.removed.n == 1 && r.left.n == 0, "and told");
	journal_result_release(&r);

	r = (struct journal_result){ 0 };
	ok(prepare() && rename("new", "old") == 0 && run(&r) == 0 && has("old", "new") && !there("gone"),
	   "a run that was ended in the middle goes on");
	journal_result_release(&r);
}

static void changed(void)
{
	struct journal_result r = { 0 };

	ok(prepare(), "prepared");
	put("old", "in use again");
	ok(run(&r) == 0 && r.obsolete && has("old", "in use again") && there("gone") && !there("new"),
	   "what was changed since is not replaced, and nothing goes");
	journal_result_release(&r);

	r = (struct journal_result){ 0 };
	ok(prepare(), "prepared");
	put("gone", "not so");
	ok(run(&r) == 0 && has("old", "new") && there("gone") && r.left.n == 1, "a file that was changed stays");
	journal_result_release(&r);
}

/* Whether it is refused, and nothing done. */
static bool refused(void)
{
	struct journal_result r = { 0 };
	bool result = run(&r) == -1 && !r.found && has("old", "old") && has("gone", "gone");

	journal_result_release(&r);
	return result;
}

/* Replaces `from` by `to`, of the same length, in the stored journal. */
static bool edit(const char *from, const char *to)
{
	struct err e;
	size_t size;
	char *text = file_read(AT_FDCWD, "journal", 1 << 20, &size, &e), *at = text ? strstr(text, from) : NULL;

	if (at) {
		memcpy(at, to, strlen(to));
		put("journal", text);
	}
	free(text);
	return at;
}

static void foreign(void)
{
	ok(prepare() && chmod("journal", 0622) == 0 && refused(), "others could have written it");
	ok(prepare() && edit("gone", "mine") && refused(), "it was changed");
	ok(prepare() && edit("\"mac\"", "\"cam\"") && refused(), "it is not signed");
	ok(prepare() && link("journal", "other") == 0 && refused(), "it has two names");
	unlink("journal");
	ok(symlink("other", "journal") == 0 && refused(), "it is a link");
	unlink("journal");
	unlink("other");
	put("journal", "{\"schema\": \"mplcr.chain.journal/2\", \"renames\": [7], \"removals\": [{\"path\": 1}]}");
	ok(refused(), "nonsense");
	put("journal", "[1]");
	ok(refused(), "no object");
	put("journal", "");
	ok(refused(), "nothing");
}

static void elsewhere(void)
{
	struct journal_result r = { 0 };
	struct err e;

	ok(prepare() && rename("journal", "other") == 0 && journal_recover("other", &r, &e) == -1 && has("gone", "gone"),
	   "another name: %s", e.text);
	unlink("other");
	ok(prepare() && mkdir("sub", 0700) == 0 && rename("journal", "sub/journal") == 0 &&
		   journal_recover("sub/journal", &r, &e) == -1 && has("gone", "gone"),
	   "another directory: %s", e.text);
	unlink("sub/journal");
	rmdir("sub");
	ok(prepare() && setenv("MPLCR_KEY", "./other-key", 1) == 0 && refused(), "another key");
	setenv("MPLCR_KEY", "./key", 1);
	unlink("journal");
}

/* What was prepared is what gets the name, and no other file; no link is followed. */
static void replaced(void)
{
	struct journal_result r = { 0 };

	ok(prepare(), "prepared");
	put("new", "not the one");
	ok(run(&r) == -1 && has("old", "old") && there("gone") && has("new", "not the one"), "another prepared file");
	unlink("journal");
	ok(prepare() && rename("gone", "kept") == 0 && symlink("kept", "gone") == 0 && run(&r) == 0 && there("kept") &&
		   there("gone") && r.left.n == 1,
	   "a link stays, and what it leads to");
	journal_result_release(&r);
	unlink("gone");
	unlink("kept");
}

static void scratch(void)
{
	struct journal_result r = { 0 };
	struct journal *j;
	struct err e;

	mkdir("scratch", 0700);
	mkdir("outside", 0700);
	put("outside/file", "mine");
	put("scratch/file", "x");
	ok(symlink("../outside", "scratch/link") == 0, "a link");
	j = journal_new("journal", &e);
	ok(j && journal_scratch(j, "scratch", &e) == 0 && journal_store(j, &e) == 0, "a directory that was made");
	journal_free(j);
	ok(rename("scratch", "real") == 0 && mkdir("scratch", 0700) == 0 && run(&r) == -1 && there("scratch"),
	   "another one is not removed");
	rmdir("scratch");
	ok(rename("real", "scratch") == 0 && run(&r) == 0 && r.obsolete && !there("scratch") &&
		   has("outside/file", "mine"),
	   "it goes, and what its links lead to stays");
}

int main(void)
{
	char dir[] = "/tmp/mplcr-test.XXXXXX";
	struct err e;

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	setenv("MPLCR_KEY", "./key", 1);
	whole();
	changed();
	foreign();
	elsewhere();
	replaced();
	scratch();
	ok(chdir("/") == 0 && dir_remove_tree(dir, &e) == 0 && !there(dir), "a directory goes with all in it");
	return done();
}
