/* SPDX-License-Identifier: MIT */
/* Layout stream: QEMU's stream in one file, in one of two forms. */
#include "checkpoint/layout/rows.h"

#include "checkpoint/names.h"

static const struct form {
	const char *file;
	const char *command; /* that prints what the file holds */
	int (*write)(int dirfd, const char *name, int to, struct err *e);
} forms[] = {
	{ STATE_STREAM, "cat", layout_write_file },
	{ STATE_STREAM_ZSTD, "zstd -dc", layout_write_zstd },
};

/* The one that the checkpoint has; NULL where it has none. */
static const struct form *form_of(const struct manifest *m)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (manifest_file_named(m, forms[i].file))
			return &forms[i];
	return NULL;
}

static struct sink *open_sink(int dirfd, const struct layout_sink *s, struct err *e)
{
	return sink_stream_open(dirfd, s->zstd_level, s->limit, e);
}

static const char *missing(const struct manifest *m, size_t n)
{
	return !form_of(m) && n == 0 ? STATE_STREAM : NULL;
}

static int write_state(const struct manifest *m, int dirfd, int to, struct err *e)
{
	const struct form *form = form_of(m);

	if (!form)
		return err_set(e, "checkpoint '%s' lists no " STATE_STREAM, m->name);
	return form->write(dirfd, form->file, to, e);
}

static bool shell(const struct manifest *m, bool mapped, struct layout_command *c)
{
	const struct form *form = form_of(m);

	if (!form || mapped)
		return false;
	*c = (struct layout_command){ form->command, form->file };
	return true;
}

const struct layout layout_stream = {
	.name = "stream",
	.about = "one file",
	.can_compress = true,
	.why_eager = "the checkpoint has layout 'stream'",
	.open_sink = open_sink,
	.missing = missing,
	.write_state = write_state,
	.shell = shell,
};
