/* SPDX-License-Identifier: MIT */
/*
 * What unpack reads, without the compression, given any bytes: nothing but a whole checkpoint gets its name, and nothing
 * comes to be beside it.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/file.h"
#include "base/path.h"
#include "fuzz.h"
#include "pack/pack.h"

struct source {
	const uint8_t *data;
	size_t left;
};

static ssize_t get(void *ctx, void *buf, size_t room, struct err *e)
{
	struct source *s = ctx;
	size_t n = room < s->left ? room : s->left;

	(void)e;
	memcpy(buf, s->data, n);
	s->data += n;
	s->left -= n;
	return (ssize_t)n;
}

/* What the directory holds is t->final after success, or at most t->partial. */
static void check(const char *dir, const struct target *t, int result)
{
	const char *allowed = result == 0 ? t->final : t->partial;
	DIR *d = opendir(dir);
	struct dirent *entry;

	if (!d)
		abort();
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.' && (!allowed || strcmp(path_base(allowed), entry->d_name) != 0))
			abort();
	closedir(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/fuzz_pack.XXXXXX";
	struct source s = { data, size };
	struct err e = { 0 };
	struct target t;
	int result;

	cli_set_quiet();
	setenv("MPLCR_KEY", "/nowhere/key", 1);
	if (!mkdtemp(dir))
		abort();
	result = pack_receive(&t, dir, get, &s, &e);
	if (result < 0 && !e.text[0])
		abort();
	check(dir, &t, result);
	target_release(&t);
	if (dir_remove_tree(dir, &e) < 0)
		abort();
	return 0;
}
