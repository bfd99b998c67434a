/* SPDX-License-Identifier: MIT */
/* mplcr-state cat: the saved state as one ordinary migration stream. */
#include "cat/cat.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "checkpoint/layout.h"
#include "checkpoint/store.h"
#include "saved/input.h"
#include "tool.h"

struct options {
	const char *virsh;
};

/* clang-format off */
static const struct cli_option option_table[] = {
	{ "virsh", 0, "DOMAIN.xml", "write a file that 'virsh restore' takes, of this domain", TO_FILE(struct options, virsh) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};
/* clang-format on */

static int cat_checkpoint(const char *path, const struct options *o, struct err *e)
{
	_cleanup_close_ int dirfd = store_open(path, e);
	struct manifest *m = dirfd >= 0 ? manifest_load(path, e) : NULL;
	int result = -1;

	if (!m)
		return -1;
	if (m->layout->is_elsewhere)
		err_set(e, "the state of checkpoint '%s' was sent to '%s': it is in no file", path, m->receiver);
	else if (!layout_is_complete(m))
		err_set(e, "the manifest of checkpoint '%s' lists no %s", path, m->layout->missing(m, 0));
	/* The sizes of all files are known before the first byte goes out: a stream that ends early may be loaded. */
	else if (manifest_check_files(m, path, false, e) == 0 &&
		 (!o->virsh ||
		  virsh_head(o->virsh, m->run_state && strcmp(m->run_state, "running") == 0, STDOUT_FILENO, e) == 0))
		result = m->layout->write_state(m, dirfd, STDOUT_FILENO, e);
	manifest_free(m);
	return result;
}

/* What others saved, without the head of libvirt, unpacked. */
static int cat_file(const char *path, const struct options *o, struct err *e)
{
	struct input in;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), result;

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	result = input_open(&in, fd, path, e);
	if (result == 0 && o->virsh)
		result = virsh_head(o->virsh, in.was_running, STDOUT_FILENO, e);
	if (result == 0)
		result = fd_pass_on(in.fd, STDOUT_FILENO, path, e);
	if (result == 0 && input_end(&in, e) < 0)
		result = err_prefix(e, "'%s'", path);
	input_close(&in);
	return result;
}

static int cat(const char *path, const struct options *o, struct err *e)
{
	struct stat st;

	if (isatty(STDOUT_FILENO))
		return err_usage(e, "standard output is a terminal, and a migration stream is no text");
	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode) ? cat_file(path, o, e) : cat_checkpoint(path, o, e);
}

static int cat_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_cat, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first + 1 != argc)
		result = err_usage(&e, first == argc ? "which checkpoint or file?" : "one checkpoint or file at a time");
	if (result >= 0)
		result = cat(argv[first], &o, &e);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_cat = {
	.tool = "mplcr-state",
	.verb = "cat",
	.summary = "the saved state as one ordinary migration stream",
	.usage = "[OPTION]... CHECKPOINT|FILE",
	.about = "Writes the state of a checkpoint to standard output as one migration stream, which any QEMU loads:\n"
		 "mplcr-state cat x1.ckpt | qemu-system-x86_64 ... -incoming fd:0",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 1,
	.run = cat_main,
};
