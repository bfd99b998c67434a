/* SPDX-License-Identifier: MIT */
/*
 * Which filesystem it is, for records that name files of it and are read after the host was started anew. The number of
 * its device (st_dev) does not last that long: devices are numbered as they are found, and btrfs has none of its own.
 */
#ifndef MPLCR_FILESYSTEM_NUMBER_H
#define MPLCR_FILESYSTEM_NUMBER_H

#include <stdint.h>
#include <sys/stat.h>

/*
 * Of the file or directory that is open as `fd`, O_PATH too, with its `st`. Made of what the filesystem is called by: its UUID, on btrfs with
 * the number of the subvolume (f_fsid of statfs(2); of XFS, whose f_fsid is its device, XFS_IOC_FSGEOMETRY). Where it has
 * no such name it is st_dev.
 */
uint64_t filesystem_number(int fd, const struct stat *st);

#endif
