/* SPDX-License-Identifier: MIT */
/* key.h: the key file, and what it signs. */
#include "base/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "tap.h"

static void the_file(const char *path)
{
	struct err e = { 0 };
	struct stat st;
	struct key *k = key_load(false, &e);

	ok(!k && e.sys == ENOENT, "no key where none was made: %s", e.text);
	k = key_load(true, &e);
	ok(k && stat(path, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_size == 65, "it is made, for us only");
	key_free(k);
	k = key_load(true, &e);
	ok(k, "and found again");
	key_free(k);
	ok(chmod(path, 0644) == 0 && !key_load(true, &e) && strstr(e.text, "only we can read"),
	   "not where others can read it: %s", e.text);
	ok(chmod(path, 0600) == 0 && truncate(path, 20) == 0 && !key_load(true, &e) && strstr(e.text, "is not a key"),
	   "nor where it was cut: %s", e.text);
	unlink(path);
	ok(symlink("/etc/hostname", path) == 0 && !key_load(true, &e), "nor through a link: %s", e.text);
	unlink(path);
}

static void signatures(void)
{
	struct err e = { 0 };
	struct key *k = key_load(true, &e);
	json_t *o = json_of("{s:s, s:i, s:f, s:{s:[i,i]}}", "b", "text", "a", 1, "f", 0.1, "deep", "list", 1, 2);
	json_t *read;
	char *text;

	ok(key_verify(k, "manifest", o) == KEY_UNSIGNED, "what has no mac is not signed");
	key_sign(k, "manifest", o);
	text = json_dumps(o, JSON_INDENT(2));
	read = json_loads(text, 0, NULL);
	ok(key_verify(k, "manifest", read) == KEY_AUTHENTIC, "signed, written and read: authentic");
	ok(key_verify(k, "journal", read) == KEY_FOREIGN, "not as another kind");
	ok(key_verify(NULL, "manifest", read) == KEY_FOREIGN, "nor without a key");
	json_array_append_new(json_path(read, "deep", "list", NULL), json_integer(3));
	ok(key_verify(k, "manifest", read) == KEY_FOREIGN, "nor with an item more");
	key_sign(k, "manifest", read);
	ok(key_verify(k, "manifest", read) == KEY_AUTHENTIC, "signed anew it is");
	json_object_set_new(read, "mac", json_string("00ff"));
	ok(key_verify(k, "manifest", read) == KEY_FOREIGN, "a short mac is none");
	json_object_set_new(read, "mac", json_string("not hexadecimal"));
	ok(key_verify(k, "manifest", read) == KEY_FOREIGN, "nor is a text");
	key_free(k);
	unlink(getenv("MPLCR_KEY"));
	k = key_load(true, &e);
	ok(key_verify(k, "manifest", o) == KEY_FOREIGN, "another key does not vouch for it");
	key_free(k);
	free(text);
	json_decref(o);
	json_decref(read);
}

int main(void)
{
	char dir[] = "/tmp/test_key.XXXXXX";
	char *path, *command;

	if (!mkdtemp(dir))
		return 1;
	path = text_of("%s/a/b/key", dir);
	setenv("MPLCR_KEY", path, 1);
	the_file(path);
	signatures();
	command = text_of("rm -rf '%s'", dir);
	ok(system(command) == 0, "cleaned up");
	free(command);
	free(path);
	return done();
}
