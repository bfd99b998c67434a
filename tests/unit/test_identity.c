/* SPDX-License-Identifier: MIT */
/* identity.h: whether an image is still what it was. */
#include "image/identity.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "tap.h"

static struct identity read_of(const char *path)
{
	struct identity id = { 0 };
	struct err e = { 0 };

	if (!ok(identity_read(path, &id, &e) == 0, "read"))
		printf("# %s\n", e.text);
	return id;
}

/* Writes one byte at `at`, and puts the modification time back where `quietly`. */
static void poke(const char *path, off_t at, bool quietly)
{
	struct stat st;
	int fd = open(path, O_RDWR);

	if (fd < 0 || fstat(fd, &st) < 0 || pwrite(fd, "!", 1, at) != 1)
		abort();
	futimens(fd, (struct timespec[2]){ st.st_atim, { st.st_mtim.tv_sec, st.st_mtim.tv_nsec + (quietly ? 0 : 1) } });
	close(fd);
}

static bool differs(const char *path, const struct identity *then, const char *expected)
{
	struct identity now = read_of(path);
	const char *got = identity_difference(then, &now);

	return expected ? got && strcmp(got, expected) == 0 : !got;
}

int main(void)
{
	char path[] = "/tmp/test_identity.XXXXXX", copy[64];
	struct identity id, back;
	struct err e = { 0 };
	json_t *json;
	int fd = mkstemp(path);

	if (fd < 0 || ftruncate(fd, 200000) < 0 ||
	    futimens(fd, (struct timespec[2]){ { 1000000000, 1 }, { 1000000000, 123456789 } }) < 0)
		return 1;
	close(fd);
	id = read_of(path);
	ok(id.size == 200000 && id.mtime_ns == 1000000000123456789 && strlen(id.header) == 32, "size, time and header");
	ok(differs(path, &id, NULL), "unchanged");
	poke(path, 150000, true);
	ok(differs(path, &id, NULL), "a quiet write behind the header is not seen: the price of not reading it all");
	poke(path, 65535, true);
	ok(differs(path, &id, "its header differs"), "a quiet write into the header is");
	id = read_of(path);
	poke(path, 150000, false);
	ok(differs(path, &id, "its modification time differs"), "one nanosecond later");
	id = read_of(path);
	ok(truncate(path, 200001) == 0 && differs(path, &id, "its size differs"), "another size");

	id = read_of(path);
	json = identity_to_json(&id);
	memset(&back, 0, sizeof(back));
	ok(identity_from_json(json, &back) == 0 && memcmp(&id, &back, sizeof(id)) == 0, "JSON and back");
	json_object_set_new(json, "size", json_integer(-1));
	ok(identity_from_json(json, &back) == -1, "a negative size");
	json_object_set_new(json, "size", json_string("1"));
	ok(identity_from_json(json, &back) == -1, "a size that is a text");
	json_object_set_new(json, "size", json_integer(1));
	json_object_set_new(json, "header_xxh3", json_string("0123456789012345678901234567890123"));
	ok(identity_from_json(json, &back) == -1, "a sum that is too long");
	json_object_del(json, "header_xxh3");
	ok(identity_from_json(json, &back) == -1 && identity_from_json(NULL, &back) == -1, "nothing");
	json_decref(json);

	snprintf(copy, sizeof(copy), "%s.fifo", path);
	ok(mkfifo(copy, 0600) == 0 && identity_read(copy, &id, &e) == -1, "a FIFO has none, and does not hang: %s",
	   e.text);
	unlink(copy);
	ok(identity_read(copy, &id, &e) == -1 && strstr(e.text, "No such file"), "nor has what is not there: %s",
	   e.text);
	unlink(path);
	return done();
}
