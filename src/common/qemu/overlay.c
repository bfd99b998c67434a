/* SPDX-License-Identifier: MIT */
#include "qemu/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/json.h"
#include "base/process.h"

/* Overlays that are made at the same time. */
#define AT_ONCE 8

char **overlay_command(const struct overlay *o)
{
	const char *const words[] = { "qemu-img", "create",  "-q", "-f",       "qcow2", "-u",
				      "-F",       o->format, "-b", o->backing, "--",    o->path };
	const size_t n = sizeof(words) / sizeof(*words);
	char **argv = memory_of(n + 2, sizeof(*argv));

	for (size_t i = 0; i < n; i++)
		argv[i] = text_copy(words[i]);
	argv[n] = text_of("%" PRIu64, o->size);
	return argv;
}

int overlay_claim(const char *path, uid_t uid, gid_t gid, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "cannot create the overlay '%s'", path);
	if (file_give(fd, "", uid, gid) == 0)
		return 0;
	err_sys(e, errno, "cannot give the overlay '%s' to QEMU's user", path);
	unlink(path);
	return -1;
}

static int start(const struct overlay *o, struct process *process, struct err *e)
{
	char **argv = overlay_command(o);
	int result = process_start(process, argv, -1, e);

	text_list_free(argv);
	return result;
}

static int finish(const struct overlay *o, struct process *process, int64_t deadline, int interrupt, struct err *e)
{
	_cleanup_free_ char *output = NULL;

	if (process_finish(process, "qemu-img create", deadline, interrupt, &output, e) == 0)
		return 0;
	err_prefix(e, "cannot create the overlay '%s'", o->path);
	if (output && strcmp(output, strerror(ENOENT)) == 0)
		err_hint(e, "is qemu-img installed? (package qemu-utils)");
	return -1;
}

static int create_some(const struct overlay *list, size_t n, int64_t deadline, int interrupt, struct err *e)
{
	struct process processes[AT_ONCE];
	struct err ignored;
	size_t started = 0;
	int result = 0;

	while (started < n && result == 0) {
		result = start(&list[started], &processes[started], e);
		started += result == 0;
	}
	for (size_t i = 0; i < started; i++)
		if (finish(&list[i], &processes[i], deadline, interrupt, result < 0 ? &ignored : e) < 0)
			result = -1;
	return result;
}

int overlay_create(const struct overlay *list, size_t n, int64_t deadline, int interrupt, struct err *e)
{
	for (size_t i = 0; i < n; i += AT_ONCE)
		if (create_some(list + i, n - i < AT_ONCE ? n - i : AT_ONCE, deadline, interrupt, e) < 0)
			return -1;
	return 0;
}

json_t *overlay_action(const char *backend, const char *node, const char *path, const char *new_node)
{
	bool has_backend = backend && backend[0];

	return json_of("{s:s, s:{s:s, s:s, s:s, s:s, s:s}}", "type", "blockdev-snapshot-sync", "data",
		       has_backend ? "device" : "node-name", has_backend ? backend : node, "snapshot-file", path,
		       "snapshot-node-name", new_node, "format", "qcow2", "mode", "existing");
}
