/* SPDX-License-Identifier: MIT */
#include "base/filesystem_number.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "base/cleanup.h"

/* Linux fs/xfs/libxfs/xfs_fs.h, for whoever has no header of XFS. */
struct xfs_geometry {
	uint32_t sizes[8];
	uint64_t counts[4];
	unsigned char uuid[16];
	uint32_t more[7];
};
#define XFS_IOC_FSGEOMETRY_V1 _IOR('X', 100, struct xfs_geometry)

static uint64_t of_xfs(int path_fd)
{
	_cleanup_close_ int fd = -1;
	struct xfs_geometry g;
	uint64_t halves[2];
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, XFS_IOC_FSGEOMETRY_V1, &g) < 0)
		return 0;
	memcpy(halves, g.uuid, sizeof(halves));
	return halves[0] ^ halves[1];
}

uint64_t filesystem_number(int fd, const struct stat *st)
{
	struct statfs fs;
	uint64_t id = 0;

	if (fstatfs(fd, &fs) < 0)
		return st->st_dev;
	if (fs.f_type == XFS_SUPER_MAGIC)
		id = of_xfs(fd);
	else
		memcpy(&id, &fs.f_fsid, sizeof(id) < sizeof(fs.f_fsid) ? sizeof(id) : sizeof(fs.f_fsid));
	return id ? id : st->st_dev;
}
