/* SPDX-License-Identifier: MIT */
/*
 * The reader of mplcr-chain's journals, given any JSON, signed with the right key and for the right place: whatever it
 * names, only a file whose identity it tells could be renamed or removed, and nothing here is one that it can tell.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/file.h"
#include "base/file_id.h"
#include "base/host.h"
#include "base/json.h"
#include "base/key.h"
#include "change/journal/journal.h"
#include "change/journal/parts.h"
#include "fuzz.h"

#define JOURNAL "v/journal"

static char dir[] = "/tmp/mplcr-fuzz.XXXXXX";

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void put(const char *path)
{
	struct err e;

	check(file_create(AT_FDCWD, path, "mine", 4, &e) == 0);
}

static void clean_up(void)
{
	struct err e;

	check(dir_remove_tree(dir, &e) == 0);
}

/* Leaves us in it. */
static void make_place(void)
{
	cli_set_quiet();
	check(mkdtemp(dir) && chdir(dir) == 0 && atexit(clean_up) == 0);
	check(mkdir("v", 0700) == 0 && mkdir("v/sub", 0700) == 0 && mkdir("outside", 0700) == 0);
	put("v/a");
	put("v/b");
	put("v/sub/c");
	put("outside/d");
	check(setenv("MPLCR_KEY", "./key", 1) == 0);
}

/* Makes it one of here, in all but what it is to do. */
static void adopt(json_t *json, const struct key *k)
{
	_cleanup_free_ char *host = host_id();
	json_t *place = json_array_get(json_object_get(json, "places"), 0);
	struct file_id id;

	check(file_id_at(AT_FDCWD, "v", &id) == 0);
	if (json_is_object(place)) {
		json_object_set_new(place, "dir", json_string("/tmp"));
		file_id_put(place, &id);
	}
	json_object_set_new(json, "schema", json_string(JOURNAL_SCHEMA));
	json_object_set_new(json, "host", json_string(host));
	json_object_set_new(json, "uid", json_integer(geteuid()));
	json_object_set_new(json, "name", json_string("journal"));
	key_sign(k, JOURNAL_KIND, json);
}

static void obey(const json_t *json)
{
	_cleanup_free_ char *text = json_dumps(json, 0);
	struct journal_result done = { 0 };
	struct err e = { 0 };

	unlink(JOURNAL);
	check(file_create(AT_FDCWD, JOURNAL, text, strlen(text), &e) == 0);
	check(journal_recover(JOURNAL, &done, &e) == 0 || e.text[0]);
	journal_result_release(&done);
	check(access("v/a", F_OK) == 0 && access("v/b", F_OK) == 0 && access("v/sub/c", F_OK) == 0 &&
	      access("outside/d", F_OK) == 0);
}

static void run(json_t *json)
{
	static struct key *k;
	struct err e;

	if (!k) {
		make_place();
		k = key_load(true, &e);
		check(k);
	}
	check(chdir(dir) == 0);
	adopt(json, k);
	obey(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *json = json_loadb((const char *)data, size, 0, NULL);
	_cleanup_close_ int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!json_is_object(json))
		return 0;
	run(json);
	check(fchdir(home) == 0);
	return 0;
}
