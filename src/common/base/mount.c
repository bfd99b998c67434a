/* SPDX-License-Identifier: MIT */
#include "base/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <sys/stat.h>

uint64_t mount_id(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID))
		return 0;
	return st.stx_mnt_id;
}

static bool is_mount(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &st) == 0 && (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int mount_refuse_below(const char *path, struct err *e)
{
	char *const roots[] = { (char *)path, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int result = walk ? 0 : err_sys(e, errno, "cannot read '%s'", path);
	const FTSENT *entry;

	while (result == 0 && (entry = fts_read(walk)) != NULL)
		if (entry->fts_info != FTS_DP && is_mount(entry->fts_path))
			result = err_set(e, "'%s' is a mount point", entry->fts_path);
	if (walk)
		fts_close(walk);
	return result;
}
