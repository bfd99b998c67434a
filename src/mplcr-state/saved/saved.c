/* SPDX-License-Identifier: MIT */
#include "saved/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "checkpoint/store.h"

int saved_open_file(int dirfd, const char *name, struct err *e)
{
	_cleanup_close_ int fd = beneath_open(dirfd, name);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, "'%s' is not a regular file", name);
	return steal_fd(&fd);
}

/* Reads the stream in s->input. */
static int read_stream(struct saved *s, bool memory, bool pageless, struct err *e)
{
	const struct ram_source from = {
		.fd = s->input.fd,
		.base = s->input.base,
		.seekable = s->input.seekable,
		.index = memory,
		.undescribed = !s->m || !s->m->described,
		.pageless = pageless,
	};
	struct ram_tail tail;
	struct err why;
	int result = ram_read(&s->ram, &from, &tail, e);

	memcpy(s->machine, tail.machine, sizeof(s->machine));
	s->stream_bytes = tail.stream_bytes;
	/* Who unpacks tells more than a stream that is cut, but not where nobody wanted to read on. */
	if (input_end(&s->input, &why) < 0 && (result == 0 || why.sys != EPIPE)) {
		*e = why;
		result = -1;
	}
	if (result < 0) {
		free(tail.bytes);
		return -1;
	}
	return devices_read(&s->devices, tail.bytes, tail.n, tail.description, e);
}

/* Gives RAM blocks the files that the manifest lists for them. */
static int attach_files(struct saved *s, struct err *e)
{
	for (size_t i = 0; i < s->m->n_files; i++) {
		const struct manifest_file *file = &s->m->files[i];
		int fd;

		if (!file->block)
			continue;
		fd = saved_open_file(s->dirfd, file->name, e);
		if (fd < 0 || ram_attach(&s->ram, file->block, fd, e) < 0)
			return -1;
	}
	return 0;
}

static int open_state(struct saved *s, bool memory, struct err *e)
{
	bool lazy = layout_can_be_lazy(s->m);
	struct layout_command c;
	int fd;

	if (s->m->layout->is_elsewhere)
		return 0;
	if (!layout_is_complete(s->m) || !s->m->layout->shell(s->m, lazy, &c))
		return err_set(e, "its manifest lists no %s", s->m->layout->missing(s->m, 0));
	fd = saved_open_file(s->dirfd, c.file, e);
	if (fd < 0 || input_open(&s->input, fd, c.file, e) < 0 || read_stream(s, memory, lazy, e) < 0)
		return -1;
	return lazy ? attach_files(s, e) : 0;
}

static int open_checkpoint(struct saved *s, bool memory, struct err *e)
{
	s->dirfd = store_open(s->path, e);
	if (s->dirfd < 0)
		return -1;
	s->m = manifest_load(s->path, e);
	if (!s->m)
		return -1;
	snprintf(s->machine, sizeof(s->machine), "%s", s->m->machine);
	return open_state(s, memory, e) < 0 ? err_prefix(e, "checkpoint '%s'", s->path) : 0;
}

static int open_file(struct saved *s, bool memory, struct err *e)
{
	int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", s->path);
	if (input_open(&s->input, fd, s->path, e) < 0)
		return -1;
	return read_stream(s, memory, false, e) < 0 ? err_prefix(e, "'%s'", s->path) : 0;
}

int saved_open(struct saved *s, const char *path, bool memory, struct err *e)
{
	struct stat st;

	*s = (struct saved){ .path = path, .dirfd = -1, .input = { .file = -1, .fd = -1 }, .ram = { .fd = -1 } };
	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return open_file(s, memory, e);
	return open_checkpoint(s, memory, e);
}

void saved_close(struct saved *s)
{
	ram_release(&s->ram);
	devices_release(&s->devices);
	input_close(&s->input);
	manifest_free(s->m);
	if (s->dirfd >= 0)
		close(s->dirfd);
}

/* QEMU's migration/global_state.c: `runstate` is a buffer with the word and NULs. */
static int find_run_state(void *ctx, const struct device_field *f, struct err *e)
{
	(void)e;
	if (strcmp(f->name, "runstate") == 0 && f->size < 256)
		*(char **)ctx = text_of("%.*s", (int)f->size, (const char *)f->data);
	return strcmp(f->name, "runstate") == 0;
}

char *saved_run_state(const struct saved *s)
{
	const struct device *d = devices_find(&s->devices, "globalstate", 0);
	char *state = NULL;
	struct err ignored;

	if (d && device_fields(d, find_run_state, &state, &ignored) < 0)
		return NULL;
	return state;
}
