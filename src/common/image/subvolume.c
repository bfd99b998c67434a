/* SPDX-License-Identifier: MIT */
#include "image/subvolume.h"

#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/path.h"

/* What libbtrfsutil says; it leaves the reason in errno. */
static int fail(enum btrfs_util_error code, struct err *e, const char *what, const char *path)
{
	int errnum = errno;

	if (errnum)
		return err_sys(e, errnum, "cannot %s '%s'", what, path);
	return err_set(e, "cannot %s '%s': %s", what, path, btrfs_util_strerror(code));
}

bool subvolume_is(const char *path)
{
	return btrfs_util_is_subvolume(path) == BTRFS_UTIL_OK;
}

char *subvolume_of(const char *path)
{
	char *at = path_real(path);

	while (at && !subvolume_is(at)) {
		char *up = strcmp(at, "/") == 0 ? NULL : path_dir(at);

		free(at);
		at = up;
	}
	return at;
}

/* Reads the identity of the btrfs filesystem; false where it is another. (Device numbers differ between subvolumes.) */
static bool filesystem_id(const char *path, struct btrfs_ioctl_fs_info_args *info)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	memset(info, 0, sizeof(*info));
	return fd >= 0 && ioctl(fd, BTRFS_IOC_FS_INFO, info) == 0;
}

bool subvolume_same_filesystem(const char *a, const char *b)
{
	struct btrfs_ioctl_fs_info_args x, y;

	return filesystem_id(a, &x) && filesystem_id(b, &y) && memcmp(x.fsid, y.fsid, sizeof(x.fsid)) == 0;
}

static int no_subvolume(const char *source, struct err *e)
{
	err_set(e, "'%s' is not a btrfs subvolume", source);
	return err_hint(e,
			"make one, and move the images into it: btrfs subvolume create NEW, "
			"cp -a --reflink=always '%s'/. NEW/",
			source);
}

int subvolume_snapshot(const char *source, const char *dest, bool read_only, struct err *e)
{
	enum btrfs_util_error code;
	struct stat st;

	if (stat(source, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", source);
	if (!subvolume_is(source))
		return no_subvolume(source, e);
	if (lstat(dest, &st) == 0)
		return err_sys(e, EEXIST, "cannot make the snapshot '%s'", dest);
	errno = 0;
	code = btrfs_util_create_snapshot(source, dest, read_only ? BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY : 0, NULL,
					  NULL);
	if (code != BTRFS_UTIL_OK && (errno == ENOTTY || errno == EXDEV))
		return err_set(e, "cannot make the snapshot '%s': it has to be on the filesystem of '%s'", dest,
			       source);
	return code == BTRFS_UTIL_OK ? 0 : fail(code, e, "make the snapshot", dest);
}

int subvolume_delete(const char *path, struct err *e)
{
	enum btrfs_util_error code;

	errno = 0;
	code = btrfs_util_delete_subvolume(path, 0);
	return code == BTRFS_UTIL_OK ? 0 : fail(code, e, "remove the subvolume", path);
}

bool subvolume_is_read_only(const char *path)
{
	bool read_only = false;

	return btrfs_util_get_subvolume_read_only(path, &read_only) == BTRFS_UTIL_OK && read_only;
}

int subvolume_set_read_only(const char *path, bool read_only, struct err *e)
{
	enum btrfs_util_error code;

	errno = 0;
	code = btrfs_util_set_subvolume_read_only(path, read_only);
	return code == BTRFS_UTIL_OK ? 0 : fail(code, e, read_only ? "make read-only" : "make writable", path);
}
