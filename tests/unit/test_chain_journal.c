/* SPDX-License-Identifier: MIT */
/* mplcr-chain/change/journal.h: all of it, or nothing; and relative_name of backing_name.h. */
#include "mplcr-chain/change/journal.h"

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
	json_t *journal = journal_new(true);
	struct err e;
	bool good;

	put("new", "new");
	put("old", "old");
	put("gone", "gone");
	good = journal_rename(journal, "new", "old", &e) == 0 && journal_remove(journal, "gone", &e) == 0 &&
	       journal_store(journal, "journal", &e) == 0;
	json_decref(journal);
	return good;
}

/* Runs it, and says how. */
static int run(struct journal_result *r)
{
	struct err e = { 0 };
	int result = journal_run("journal", r, &e);

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

static void foreign(void)
{
	struct journal_result r = { 0 };

	ok(prepare() && chmod("journal", 0622) == 0 && run(&r) == -1 && there("gone"), "others could have written it");
	unlink("journal");
	put("journal", "{\"schema\": \"mplcr.chain.journal/1\", \"renames\": [7], \"removals\": [{\"path\": 1}]}");
	ok(run(&r) == 0 && r.obsolete && there("gone"), "nonsense is not obeyed");
	put("journal", "{\"schema\": \"other\"}");
	ok(run(&r) == -1 && there("gone"), "nor what is none");
	unlink("journal");
	ok(symlink("gone", "journal") == 0 && run(&r) == -1, "nor a link");
	journal_result_release(&r);
}

int main(void)
{
	char dir[] = "/tmp/mplcr-test.XXXXXX";
	struct err e;

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	whole();
	changed();
	foreign();
	ok(chdir("/") == 0 && dir_remove_tree(dir, &e) == 0 && !there(dir), "a directory goes with all in it");
	return done();
}
