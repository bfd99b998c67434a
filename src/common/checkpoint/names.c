/* SPDX-License-Identifier: MIT */
#include "checkpoint/names.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"

char *checkpoint_path(const char *dir, const char *name)
{
	return text_of("%s/%s" CHECKPOINT_SUFFIX, strcmp(dir, "/") == 0 ? "" : dir, name);
}

char *checkpoint_path_partial(const char *dir, const char *name)
{
	return text_of("%s/%s" CHECKPOINT_SUFFIX PARTIAL_SUFFIX, strcmp(dir, "/") == 0 ? "" : dir, name);
}

static bool ends_with(const char *path, const char *end)
{
	_cleanup_free_ char *trimmed = path_trimmed(path);

	return text_ends_with(trimmed, end);
}

bool checkpoint_is_named(const char *path)
{
	return ends_with(path, CHECKPOINT_SUFFIX);
}

bool checkpoint_is_partial(const char *path)
{
	return ends_with(path, PARTIAL_SUFFIX);
}

bool checkpoint_is_removed(const char *path)
{
	return ends_with(path, REMOVED_SUFFIX);
}
