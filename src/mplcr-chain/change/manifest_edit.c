/* SPDX-License-Identifier: MIT */
#include "change/manifest_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/key.h"
#include "checkpoint/manifest.h"

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

int manifest_edit_store(const json_t *json, const char *file, struct err *e)
{
	struct key *key = NULL;
	int result;

	if (unlink(file) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot replace '%s'", file);
	if (json_text(json, "mac")) {
		key = key_load(false, e);
		if (!key)
			return -1;
	}
	result = manifest_write(json, key, AT_FDCWD, file, e);
	key_free(key);
	return result;
}
