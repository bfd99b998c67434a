/* SPDX-License-Identifier: MIT */
#include "checkpoint/manifest_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/key.h"
#include "base/text.h"

json_t *manifest_edit_load(const char *file, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	json_t *json;
	size_t size;

	text = file_read(AT_FDCWD, file, MANIFEST_MAX_BYTES, &size, e);
	if (!text)
		return NULL;
	json = json_loadb(text, size, 0, NULL);
	if (!json)
		err_set(e, "'%s' is not JSON", file);
	else if (manifest_verify(json, NULL) != KEY_AUTHENTIC)
		json_object_del(json, "mac");
	return json;
}

int manifest_edit_identity(json_t *item, const char *path, struct err *e)
{
	bool whole = json_text(json_object_get(item, "identity"), "content_xxh3");
	struct identity now;

	if ((whole ? identity_read_whole : identity_read)(path, &now, e) < 0)
		return -1;
	json_object_set_new(item, "identity", identity_to_json(&now));
	return 0;
}

char *manifest_edit_text(const json_t *json, struct err *e)
{
	struct key *key = json_text(json, "mac") ? key_load(false, e) : NULL;
	char *text = key || !json_text(json, "mac") ? manifest_text(json, key, e) : NULL;

	key_free(key);
	return text;
}

int manifest_edit_store(const json_t *json, const char *file, struct err *e)
{
	_cleanup_free_ char *text = manifest_edit_text(json, e);

	if (!text)
		return -1;
	if (unlink(file) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot replace '%s'", file);
	return file_create(AT_FDCWD, file, text, strlen(text), e);
}

/* The file that takes the place of `file` is its owner's. */
static int give(const char *new, const char *file, struct err *e)
{
	struct stat st;

	if (stat(file, &st) < 0 || file_give(AT_FDCWD, new, st.st_uid, st.st_gid) == 0)
		return 0;
	return err_sys(e, errno, "cannot give '%s' to its owner", new);
}

int manifest_edit_beside(const json_t *json, const char *new, const char *file, struct err *e)
{
	return manifest_edit_store(json, new, e) < 0 ? -1 : give(new, file, e);
}

int manifest_edit_replace(const json_t *json, const char *file, struct err *e)
{
	_cleanup_free_ char *new = text_of("%s.new", file);

	if (manifest_edit_beside(json, new, file, e) == 0 && path_rename(new, file, true, e) == 0)
		return path_sync_name(file, e);
	unlink(new);
	return -1;
}

static bool edit_chain(json_t *disk, const struct manifest_disk *of, manifest_edit_image *edit, void *ctx)
{
	json_t *chain = json_object_get(disk, "chain"), *left = json_array();
	bool changed = json_array_size(chain) != of->n_chain;

	for (size_t i = 0; i < of->n_chain; i++) {
		json_t *item = json_array_get(chain, of->chain[i].item);
		enum manifest_edited edited = edit(ctx, &of->chain[i], item);

		changed |= edited != MANIFEST_KEPT;
		if (edited != MANIFEST_GONE)
			json_array_append(left, item);
	}
	json_object_set_new(disk, "chain", left);
	return changed;
}

bool manifest_edit_chains(json_t *json, const struct manifest *m, manifest_edit_image *edit, void *ctx)
{
	json_t *disks = json_object_get(json, "disks");
	bool changed = false;

	for (size_t d = 0; d < m->n_disks; d++)
		changed |= edit_chain(json_array_get(disks, d), &m->disks[d], edit, ctx);
	return changed;
}
