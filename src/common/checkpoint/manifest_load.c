/* SPDX-License-Identifier: MIT */
/* manifest_load: finds the file and its JSON. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "checkpoint/manifest_impl.h"

/* The largest checkpoint.json that is read. */
#define MAX_BYTES (16 << 20)

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

static bool exists_with(const char *path, const char *suffix)
{
	char longer[PATH_MAX];

	return snprintf(longer, sizeof(longer), "%s%s", path, suffix) < PATH_MAX && access(longer, F_OK) == 0;
}

/* What may be meant by the name of a checkpoint that could not be opened. */
static void hint_missing(const char *dir, struct err *e)
{
	if (e->sys == ENOENT && exists_with(dir, ".partial"))
		err_hint(e, "'%s.partial' is there: a checkpoint that was not finished, and cannot be used", dir);
	else if (e->sys == ENOENT && exists_with(dir, ".ckpt"))
		err_hint(e, "do you mean '%s.ckpt'?", dir);
	else if (e->sys == ENOTDIR)
		err_hint(e, "a checkpoint is a directory, NAME.ckpt");
}

/* Opens the directory `dir` of a checkpoint, or tells what it is instead. */
static int open_checkpoint(const char *dir, struct err *e)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		err_sys(e, errno, "cannot open checkpoint '%s'", dir);
		hint_missing(dir, e);
		return -1;
	}
	if (ends_with(dir, ".partial"))
		return err_set(e, "'%s' is a checkpoint that was not finished, and cannot be used", dir);
	if (faccessat(fd, MANIFEST_NAME, F_OK, 0) < 0 && errno == ENOENT)
		return err_set(e, "'%s' is not a checkpoint: it has no %s", dir, MANIFEST_NAME);
	return steal_fd(&fd);
}

static json_t *load_json(int dirfd, const char *dir, const char *file, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	json_error_t why;
	json_t *json;
	size_t size;

	text = file_read(dirfd, MANIFEST_NAME, MAX_BYTES, &size, e);
	if (!text) {
		err_prefix(e, "checkpoint '%s'", dir);
		return NULL;
	}
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!json)
		err_set(e, "'%s' is not a checkpoint manifest: line %d: %s", file, why.line, why.text);
	return json;
}

struct manifest *manifest_load(const char *dir, struct err *e)
{
	_cleanup_free_ char *trimmed = text_of("%s", dir), *file = NULL;
	_cleanup_close_ int dirfd = -1;
	_cleanup_json_ json_t *json = NULL;
	struct manifest *m;

	for (size_t n = strlen(dir); n > 1 && trimmed[n - 1] == '/'; n--)
		trimmed[n - 1] = '\0';
	file = text_of("%s/%s", trimmed, MANIFEST_NAME);
	dirfd = open_checkpoint(trimmed, e);
	if (dirfd < 0)
		return NULL;
	json = load_json(dirfd, trimmed, file, e);
	if (!json)
		return NULL;
	m = memory_of(1, sizeof(*m));
	m->checkpoint = path_real(trimmed);
	if (!m->checkpoint)
		err_sys(e, errno, "cannot resolve '%s'", trimmed);
	else if (manifest_read(m, json, file, e) == 0)
		return m;
	manifest_free(m);
	return NULL;
}
