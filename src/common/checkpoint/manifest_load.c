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

struct manifest *manifest_load(const char *dir, struct err *e)
{
	_cleanup_free_ char *trimmed = path_trimmed(dir), *file = NULL;
	_cleanup_close_ int dirfd = -1;
	_cleanup_json_ json_t *json = NULL;
	struct manifest *m;

	file = text_of("%s/%s", trimmed, MANIFEST_NAME);
	dirfd = store_open(trimmed, e);
	if (dirfd < 0)
		return NULL;
	json = load_json(dirfd, trimmed, file, e);
	if (!json)
		return NULL;
	m = memory_of(1, sizeof(*m));
	m->checkpoint = path_real(trimmed);
	m->json = json_incref(json);
	m->verdict = manifest_verify(json);
	if (!m->checkpoint)
		err_sys(e, errno, "cannot resolve '%s'", trimmed);
	else if (manifest_read(m, json, file, e) == 0)
		return m;
	manifest_free(m);
	return NULL;
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
	key = key_load(true, e);
	text = key ? manifest_text(now, key, e) : NULL;
	key_free(key);
	return text ? file_publish(file, text, strlen(text), 0600, true, e) : -1;
}
