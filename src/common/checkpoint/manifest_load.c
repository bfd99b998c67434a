/* SPDX-License-Identifier: MIT */
/* manifest_load: finds the file and its JSON. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "checkpoint/manifest_impl.h"
#include "checkpoint/merging.h"
#include "checkpoint/store.h"

static json_t *load_json(int dirfd, const char *dir, const char *file, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	json_error_t why;
	json_t *json;
	size_t size;

	text = file_read(dirfd, MANIFEST_NAME, MANIFEST_MAX_BYTES, &size, e);
	if (!text) {
		err_prefix(e, "checkpoint '%s'", dir);
		return NULL;
	}
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!json)
		err_set(e, "'%s' is not a checkpoint manifest: line %d: %s", file, why.line, why.text);
	return json;
}

/* The manifest in the directory `dirfd` (closed), which is `dir`. */
static struct manifest *load_at(int dirfd, const char *dir, struct err *e)
{
	_cleanup_free_ char *file = text_of("%s/%s", dir, MANIFEST_NAME);
	_cleanup_close_ int fd = dirfd;
	_cleanup_json_ json_t *json = fd < 0 ? NULL : load_json(fd, dir, file, e);
	struct manifest *m;

	if (!json)
		return NULL;
	m = memory_of(1, sizeof(*m));
	m->checkpoint = path_real(dir);
	m->json = json_incref(json);
	m->adopted = json_flag(json, "adopted");
	m->verdict = manifest_verify(json, &m->key_fault);
	if (!m->checkpoint)
		err_sys(e, errno, "cannot resolve '%s'", dir);
	else if (manifest_read(m, json, file, e) == 0) {
		merging_settle(m);
		return m;
	}
	manifest_free(m);
	return NULL;
}

struct manifest *manifest_load(const char *dir, struct err *e)
{
	_cleanup_free_ char *trimmed = path_trimmed(dir);

	return load_at(store_open(trimmed, e), trimmed, e);
}

struct manifest *manifest_load_partial(const char *dir, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		err_sys(e, errno, "cannot open '%s'", dir);
	return load_at(fd, dir, e);
}

int manifest_adopt(const struct manifest *m, struct err *e)
{
	_cleanup_free_ char *file = path_join(m->checkpoint, MANIFEST_NAME), *text = NULL;
	_cleanup_close_ int dirfd = store_open(m->checkpoint, e);
	_cleanup_json_ json_t *now = dirfd < 0 ? NULL : load_json(dirfd, m->checkpoint, file, e);
	struct key *key;

	if (!now)
		return -1;
	if (!json_equal(now, m->json))
		return err_set(e, "'%s' was changed while it was looked at", file);
	json_object_set_new(now, "adopted", json_true());
	key = key_load(true, e);
	text = key ? manifest_text(now, key, e) : NULL;
	key_free(key);
	return text ? file_publish(file, text, strlen(text), 0600, true, e) : -1;
}
