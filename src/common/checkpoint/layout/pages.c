/* SPDX-License-Identifier: MIT */
/* Layout pages: the pages of RAM blocks in sparse files, everything else in a stream (sink.h, join.h). */
#include "checkpoint/layout/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/memory.h"
#include "checkpoint/names.h"
#include "image/clone.h"

/* How long to wait for the parent's memory to be read, which is compared while QEMU sends. */
#define AWAIT_MS 200

/* Lets the file of the block begin as a clone of the parent's, which may be hostile. */
static int begin_block(struct sink *sink, const struct layout_sink *s, const struct manifest_file *file, struct err *e)
{
	const struct manifest *parent = s->parent;
	_cleanup_close_ int fd = beneath_open_at(parent->checkpoint, file->name);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot open '%s/%s'", parent->checkpoint, file->name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, "'%s/%s' is not a regular file", parent->checkpoint, file->name);
	if (s->limit && (uint64_t)st.st_size > s->limit)
		return err_set(e, "'%s/%s' is larger than the VM's memory", parent->checkpoint, file->name);
	return sink_pages_begin(sink, file->block, fd, clone_fd, e);
}

/* Lets what blocks it can begin so. Returns 0, or -1 where that is wanted and is not possible. */
static int begin(struct sink *sink, const struct layout_sink *s, struct err *e)
{
	size_t begun = 0;

	err_set(e, "it has no memory of this VM");
	for (size_t i = 0; i < s->n_ram; i++) {
		const struct manifest_file *file = manifest_file_of_block(s->parent, s->ram[i]);

		if (file && begin_block(sink, s, file, e) == 0)
			begun++;
	}
	sink_pages_await(sink, AWAIT_MS);
	if (begun > 0 || !s->parent_wanted)
		return 0;
	err_prefix(e, "the memory cannot begin with that of checkpoint '%s'", s->parent->checkpoint);
	return err_hint(e, "memory is shared on filesystems with reflinks (btrfs, XFS), with checkpoints of layout pages on "
			   "the same one; without --parent it is saved whole where that cannot be");
}

static struct sink *open_sink(int dirfd, const struct layout_sink *s, struct err *e)
{
	struct sink *sink = sink_pages_open(dirfd, s->ram, s->n_ram, s->limit, e);

	if (!sink || !s->parent || begin(sink, s, e) == 0)
		return sink;
	sink_free(sink);
	return NULL;
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
	.can_begin = true,
	.open_sink = open_sink,
	.missing = missing,
	.write_state = write_state,
	.write_unmapped = write_unmapped,
	.shell = shell,
};
