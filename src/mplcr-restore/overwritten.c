/* SPDX-License-Identifier: MIT */
/*
 * The pages of the memory file that QEMU overwrote, in its own private copy, before the state came. Until 5.0 it puts
 * what it loads at fixed addresses (an ELF kernel, -device loader) into guest memory even where a state is to come
 * (QEMU commit 355477f8c73e): after a whole load nothing is left of that, but where memory is mapped, these pages must
 * be sent again. /proc/PID/pagemap tells which they are: those that are no longer the file's (Linux
 * Documentation/admin-guide/mm/pagemap.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/memory.h"
#include "base/text.h"
#include "restore.h"

#define PAGE 4096

/* Bits of an entry of pagemap. */
#define PM_FILE (1ULL << 61)
#define PM_SWAPPED (1ULL << 62)
#define PM_PRESENT (1ULL << 63)

enum { ENTRIES = 8192 }; /* read at once */

/* A mapping of the file: addresses, and where in the file the first one is. */
struct mapping {
	uint64_t from, to, offset;
};

static void add_page(struct overwritten *o, uint64_t at)
{
	struct stream_range *last = o->n ? &o->ranges[o->n - 1] : NULL;

	if (last && last->to == at) {
		last->to += PAGE;
		return;
	}
	*array_add(o->ranges, o->n) = (struct stream_range){ at, at + PAGE };
}

static int read_mapping(struct overwritten *o, int pagemap, const struct mapping *m, struct err *e)
{
	_cleanup_free_ uint64_t *entries = memory_of(ENTRIES, sizeof(*entries));

	for (uint64_t at = m->from; at < m->to;) {
		uint64_t left = (m->to - at) / PAGE, n = left < ENTRIES ? left : ENTRIES;
		ssize_t got = pread(pagemap, entries, n * sizeof(*entries), (off_t)(at / PAGE * sizeof(*entries)));

		if (got < (ssize_t)sizeof(*entries))
			return err_sys(e, got < 0 ? errno : EIO, "cannot read which pages QEMU has changed");
		n = (uint64_t)got / sizeof(*entries);
		for (uint64_t i = 0; i < n; i++, at += PAGE)
			if ((entries[i] & (PM_PRESENT | PM_SWAPPED)) && !(entries[i] & PM_FILE))
				add_page(o, at - m->from + m->offset);
	}
	return 0;
}

/* Reads a line of /proc/PID/maps. Returns whether it is a mapping of `file`. */
static bool parse_mapping(const char *line, const char *file, struct mapping *m)
{
	int path = 0;
	size_t n = strlen(file);

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &m->from, &m->to, &m->offset, &path) <
		    3 || !path)
		return false;
	return strncmp(line + path, file, n) == 0 && line[path + n] == '\n';
}

int overwritten_read(struct overwritten *o, pid_t pid, const char *file, struct err *e)
{
	_cleanup_free_ char *maps_path = text_of("/proc/%d/maps", (int)pid), *line = NULL;
	_cleanup_free_ char *pagemap_path = text_of("/proc/%d/pagemap", (int)pid);
	_cleanup_fclose_ FILE *maps = fopen(maps_path, "re");
	_cleanup_close_ int pagemap = open(pagemap_path, O_RDONLY | O_CLOEXEC);
	bool found = false;
	size_t room = 0;

	if (!maps || pagemap < 0)
		return err_sys(e, errno, "cannot read the memory map of QEMU, process %d", (int)pid);
	while (getline(&line, &room, maps) > 0) {
		struct mapping m;

		if (!parse_mapping(line, file, &m))
			continue;
		found = true;
		if (read_mapping(o, pagemap, &m, e) < 0)
			return -1;
	}
	return found ? 0 : err_set(e, "QEMU has not mapped '%s'", file);
}

void overwritten_release(struct overwritten *o)
{
	free(o->ranges);
	*o = (struct overwritten){ 0 };
}
