/* SPDX-License-Identifier: MIT */
/* mplcr-state split: a checkpoint, which restores lazily, from what others saved. */
#include "split/split.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/interrupt.h"
#include "base/number.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/names.h"
#include "checkpoint/remove.h"
#include "checkpoint/store.h"
#include "tool.h"

struct options {
	struct path_list ram;
};

/* clang-format off */
static const struct cli_option option_table[] = {
	{ "ram", 'r', "BLOCK", "a RAM block that gets a file of its own, so that it can be mapped\n(default: pc.ram, ram-nodeN, else the largest)", TO_LIST(struct options, ram, CLI_NO_FILES) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};
/* clang-format on */

struct split {
	const char *file;
	char *name, *final, *partial; /* of the checkpoint */
	struct path_list *ram;
	int dirfd;                    /* of `partial` */
	int interrupt;
};

/* NAME.ckpt, whether or not the user wrote the suffix. */
static int name_it(struct split *s, const char *ckpt, struct err *e)
{
	_cleanup_free_ char *trimmed = path_trimmed(ckpt), *dir = NULL;

	if (text_ends_with(trimmed, CHECKPOINT_SUFFIX))
		trimmed[strlen(trimmed) - strlen(CHECKPOINT_SUFFIX)] = '\0';
	s->name = text_copy(path_base(trimmed));
	if (!s->name[0] || s->name[0] == '.')
		return err_usage(e, "'%s' is not a name for a checkpoint", ckpt);
	trimmed[strlen(trimmed) - strlen(s->name)] = '\0';
	dir = path_real(trimmed[0] ? trimmed : ".");
	if (!dir)
		return err_sys(e, errno, "cannot find the directory of '%s'", ckpt);
	s->final = checkpoint_path(dir, s->name);
	s->partial = checkpoint_path_partial(dir, s->name);
	return path_exists(s->final) ? err_sys(e, EEXIST, "cannot create '%s'", s->final) : 0;
}

/*
 * Whether there is room: for what the file takes, of which the checkpoint takes no more where it is plain. How much a packed
 * one unpacks to is known only at its end, and no half checkpoint is left then.
 */
static int check_space(const struct split *s, const struct input *in, struct err *e)
{
	struct statvfs fs;
	struct stat st;
	char need[16], have[16];
	uint64_t room, size;

	if (fstat(in->file, &st) < 0 || fstatvfs(s->dirfd, &fs) < 0)
		return err_sys(e, errno, "cannot look for free space");
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	size = (uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size ? (uint64_t)st.st_blocks * 512 : (uint64_t)st.st_size;
	if (size <= room)
		return 0;
	return err_set(e, "not enough space for '%s': it needs %s, and %s are free", s->final, number_bytes(size, need),
		       number_bytes(room, have));
}

/* Reads the stream into the directory. */
static int fill(struct split *s, struct input *in, struct err *e)
{
	int64_t began = clock_ns();
	struct record r = { .name = s->name, .final = s->final, .input = in };
	struct sink *sink = sink_pages_open(s->dirfd, (const char *const *)s->ram->paths, s->ram->n, 0, e);
	int result = -1;

	if (!sink)
		return -1;
	sink_allow_undescribed(sink);
	sink_allow_interrupt(sink, s->interrupt);
	if (sink_run(sink, in->fd, e) == 0 && input_end(in, e) == 0 && (r.result = sink_finish(sink, e)) != NULL) {
		r.total_ms = (double)(clock_ns() - began) / NS_PER_MS;
		result = record_write(&r, s->dirfd, e);
	}
	sink_free(sink);
	return result;
}

static int fill_from(struct split *s, struct err *e)
{
	struct input in;
	int fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), result;

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", s->file);
	result = input_open(&in, fd, s->file, e);
	if (result == 0 && (check_space(s, &in, e) < 0 || fill(s, &in, e) < 0))
		result = err_prefix(e, "'%s'", s->file);
	input_close(&in);
	return result;
}

/* Makes the whole checkpoint, or nothing. */
static int make(struct split *s, struct err *e)
{
	struct err ignored;
	int result;

	s->dirfd = store_claim(s->partial, s->final, e);
	if (s->dirfd < 0)
		return -1;
	result = fill_from(s, e);
	if (result == 0)
		result = store_publish(s->dirfd, s->partial, s->final, e);
	close(s->dirfd);
	if (result < 0 && e->status != EXIT_PARTIAL && checkpoint_dir_remove(s->partial, &ignored) < 0)
		cli_warn("'%s' is left behind: %s", s->partial, ignored.text);
	return result;
}

static int split(const char *file, const char *ckpt, struct path_list *ram, struct err *e)
{
	struct split s = { .file = file, .ram = ram, .dirfd = -1 };
	int result = name_it(&s, ckpt, e);

	s.interrupt = result == 0 ? interrupt_open(e) : -1;
	if (result == 0 && s.interrupt >= 0 && blocks_choose(file, ram, e) == 0 && make(&s, e) == 0)
		escape_data(s.final);
	else
		result = -1;
	if (result == 0)
		putchar('\n');
	free(s.name);
	free(s.final);
	free(s.partial);
	return result;
}

static int split_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_split, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first + 2 != argc)
		result = err_usage(&e, "which file, and what is the checkpoint to be called?");
	if (result >= 0)
		result = split(argv[first], argv[first + 1], &o.ram, &e);
	if (result == 0)
		result = cli_flush(&e);
	path_list_release(&o.ram);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_split = {
	.tool = "mplcr-state",
	.verb = "split",
	.summary = "a checkpoint, which restores lazily, from what others saved",
	.usage = "[OPTION]... FILE CHECKPOINT",
	.about = "Makes a checkpoint from a migration stream that QEMU or libvirt saved, so that mplcr-restore can start\n"
		 "VMs from it without loading their memory. Prints the path of the checkpoint.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 2,
	.run = split_main,
};
