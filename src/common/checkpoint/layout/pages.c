/* SPDX-License-Identifier: MIT */
/* Layout pages: the pages of RAM blocks in sparse files, everything else in a stream (sink.h, join.h). */
#include "checkpoint/layout/rows.h"

#include <stdlib.h>

#include "base/memory.h"
#include "checkpoint/names.h"

static struct sink *open_sink(int dirfd, const struct layout_sink *s, struct err *e)
{
	return sink_pages_open(dirfd, s->ram, s->n_ram, s->limit, e);
}

static bool has_memory(const struct manifest *m)
{
	for (size_t i = 0; i < m->n_files; i++)
		if (m->files[i].block)
			return true;
	return false;
}

static const char *missing(const struct manifest *m, size_t n)
{
	if (!manifest_file_named(m, STATE_DEVICES) && n-- == 0)
		return STATE_DEVICES;
	return !has_memory(m) && n == 0 ? "file with guest memory" : NULL;
}

static int write_state(const struct manifest *m, int dirfd, int to, struct err *e)
{
	struct stream_join_ram *ram = memory_of(m->n_files, sizeof(*ram));
	size_t n = 0;
	int result;

	for (size_t i = 0; i < m->n_files; i++)
		if (m->files[i].block)
			ram[n++] = (struct stream_join_ram){ m->files[i].block, m->files[i].name };
	result = stream_join(dirfd, ram, n, !m->described, to, e);
	free(ram);
	return result;
}

static int write_unmapped(const struct manifest *m, int dirfd, const struct layout_mapped *mapped, int to,
			  struct err *e)
{
	struct stream_join_ram ram = { mapped->file->block, mapped->file->name };

	if (mapped->n_ranges == 0)
		return layout_write_file(dirfd, STATE_DEVICES, to, e);
	return stream_join_pages(dirfd, &ram, mapped->ranges, mapped->n_ranges, !m->described, to, e);
}

/* Only stream_join puts pages back into the stream. */
static bool shell(const struct manifest *m, bool mapped, struct layout_command *c)
{
	(void)m;
	*c = (struct layout_command){ "cat", STATE_DEVICES };
	return mapped;
}

const struct layout layout_pages = {
	.name = "pages",
	.about = "sparse files, restores lazily",
	.open_sink = open_sink,
	.missing = missing,
	.write_state = write_state,
	.write_unmapped = write_unmapped,
	.shell = shell,
};
