/* SPDX-License-Identifier: MIT */
/* The user's command in the pause, and its messages. */
#include "at_freeze.h"
#include "freeze/freeze.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/process.h"

static char *at_freeze_list(const struct plan *p)
{
	char *list = text_of("%s", "");

	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];
		_cleanup_free_ char *before = list;
		bool whole = dp->freeze || (!p->method->freezes && !dp->disk->read_only && dp->disk->chain[0].path);

		list = whole ? text_of("%s%s\n", before, dp->disk->chain[0].path) : steal_ptr(before);
	}
	return list;
}

void at_freeze_show(const char *output)
{
	_cleanup_free_ char *text = text_copy(output);
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;)
		if (line[0])
			cli_note("at-freeze: %s", line);
}

/* The list as a file, since a pipe could be too small for it. -1 with an error. */
static int list_fd(const struct plan *p, struct err *e)
{
	_cleanup_free_ char *list = at_freeze_list(p);
	int fd = memfd_create("frozen", MFD_CLOEXEC);

	if (fd >= 0 && fd_write_all(fd, list, strlen(list)) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	err_sys(e, errno, "cannot list the frozen images");
	if (fd >= 0)
		close(fd);
	return -1;
}

int at_freeze_run(const struct options *o, const struct plan *p, int64_t deadline, int interrupt, char **output,
		  struct err *e)
{
	char *argv[] = { "env", AT_FREEZE_MARK, "sh", "-c", (char *)o->at_freeze, NULL };
	_cleanup_close_ int list = list_fd(p, e);
	int64_t until = clock_in_ms((int64_t)o->at_freeze_ms);
	struct process command;

	if (list < 0 || process_start(&command, argv, list, e) < 0)
		return -1;
	return process_finish(&command, AT_FREEZE_COMMAND, until < deadline ? until : deadline, interrupt, output, e);
}
