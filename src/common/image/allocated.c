/* SPDX-License-Identifier: MIT */
#include "image/allocated.h"

#include <fcntl.h>
#include <fts.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/text.h"

/* Extents that are asked for at a time. */
#define EXTENTS 256

/* Bytes of the file in extents that other files share. */
static uint64_t shared_bytes(int fd)
{
	_cleanup_free_ struct fiemap *map = memory_of(1, sizeof(*map) + EXTENTS * sizeof(map->fm_extents[0]));
	uint64_t shared = 0, at = 0;

	for (;;) {
		*map = (struct fiemap){
			.fm_start = at,
			.fm_length = FIEMAP_MAX_OFFSET - at,
			.fm_extent_count = EXTENTS,
		};
		if (ioctl(fd, FS_IOC_FIEMAP, map) < 0 || map->fm_mapped_extents == 0)
			return shared;
		for (unsigned i = 0; i < map->fm_mapped_extents; i++) {
			const struct fiemap_extent *extent = &map->fm_extents[i];

			if (extent->fe_flags & FIEMAP_EXTENT_SHARED)
				shared += extent->fe_length;
			if (extent->fe_flags & FIEMAP_EXTENT_LAST || extent->fe_logical + extent->fe_length <= at)
				return shared; /* the end, or a filesystem that goes back */
			at = extent->fe_logical + extent->fe_length;
		}
	}
}

uint64_t allocated_unshared(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint64_t all, shared;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1)
		return 0;
	all = (uint64_t)st.st_blocks * 512; /* the unit of st_blocks: inode(7) */
	shared = shared_bytes(fd);
	return shared < all ? all - shared : 0; /* lengths of compressed extents are those of their content */
}

uint64_t allocated_below(const char *dir)
{
	char *const roots[] = { text_copy(dir), NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *entry;
	uint64_t sum = 0;

	while (walk && (entry = fts_read(walk)) != NULL)
		if (entry->fts_info == FTS_F)
			sum += allocated_unshared(entry->fts_path);
	if (walk)
		fts_close(walk);
	free(roots[0]);
	return sum;
}
