/* SPDX-License-Identifier: MIT */
#include "checkpoint/remove.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/names.h"
#include "image/subvolume.h"

/* A snapshot is read-only and can be deep: btrfs removes it as a whole. */
static int remove_snapshot(const char *dir, struct err *e)
{
	_cleanup_free_ char *disks = path_join(dir, CLONES_DIR);
	struct stat st;

	if (lstat(disks, &st) < 0 || !S_ISDIR(st.st_mode) || !subvolume_is(disks))
		return 0;
	return subvolume_delete(disks, e);
}

int checkpoint_dir_remove(const char *dir, struct err *e)
{
	if (remove_snapshot(dir, e) < 0)
		return -1;
	return dir_remove(dir) == 0 || errno == ENOENT ? 0 : err_sys(e, errno, "cannot remove '%s'", dir);
}

/* --- the directory ---------------------------------------------------------------------------------------------- */

/* Removes what has the name of something removed. */
static int remove_remains(const char *remains, struct err *e)
{
	if (checkpoint_dir_remove(remains, e) == 0)
		return 0;
	e->status = EXIT_PARTIAL;
	return err_hint(e, "it is no checkpoint any more; remove what is left: rm -r '%s'", remains);
}

/* Takes the checkpoint's name away from it, for good. */
static int rename_away(const char *dir, const char *remains, struct err *e)
{
	_cleanup_free_ char *manifest = path_join(dir, MANIFEST_NAME);

	if (!path_exists(manifest))
		return err_set(e, "'%s' is not a checkpoint: it has no %s", dir, MANIFEST_NAME);
	if (path_rename(dir, remains, true, e) < 0)
		return err_sys(e, e->sys, "cannot remove '%s'", dir);
	if (path_sync_name(dir, e) == 0)
		return 0;
	e->status = EXIT_PARTIAL;
	return err_hint(e, "it is no checkpoint any more; remove what is left: rm -r '%s'", remains);
}

int checkpoint_remove(const char *dir, struct err *e)
{
	_cleanup_free_ char *trimmed = path_trimmed(dir), *there = path_real(trimmed), *remains = NULL;
	bool left;

	if (!there && errno == ENOENT)
		there = path_real_parent(trimmed);
	if (!there)
		return err_sys(e, errno, "cannot open checkpoint '%s'", dir);
	if (checkpoint_is_removed(there))
		return remove_remains(there, e);
	remains = text_of("%s%s", there, REMOVED_SUFFIX);
	left = path_exists(remains);
	if (left && remove_remains(remains, e) < 0)
		return -1;
	if (left && !path_exists(there))
		return 0;
	if (!path_exists(there))
		return err_sys(e, ENOENT, "cannot open checkpoint '%s'", dir);
	return rename_away(there, remains, e) < 0 ? -1 : remove_remains(remains, e);
}
