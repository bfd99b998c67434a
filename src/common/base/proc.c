/* SPDX-License-Identifier: MIT */
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#define CAP_SYS_PTRACE_BIT 19 /* linux/capability.h */

/* The target of the link /proc/PID/NAME, malloc'd, or NULL with errno. */
static char *read_link(pid_t pid, const char *name)
{
	char path[300], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return NULL;
	target[n] = '\0';
	return text_copy(target);
}

/* Splits NUL-separated bytes into an argument vector. */
static char **split_arguments(const char *bytes, size_t size)
{
	size_t count = 0, at = 0;
	char **argv;

	for (size_t i = 0; i < size; i++)
		count += bytes[i] == '\0';
	argv = memory_of(count + 2, sizeof(*argv));
	for (size_t i = 0; at < size; i++) {
		argv[i] = text_copy(bytes + at);
		at += strlen(argv[i]) + 1;
	}
	return argv;
}

static char **read_arguments(pid_t pid, struct err *e)
{
	char path[64];
	_cleanup_free_ char *bytes = NULL;
	size_t size;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	bytes = file_read(AT_FDCWD, path, 4 << 20, &size, e);
	return bytes ? split_arguments(bytes, size) : NULL;
}

/* The number after "NAME:" in the text of /proc/PID/status, in the base given, or 0. */
static uint64_t status_number(const char *status, const char *name, int base)
{
	const char *line = strstr(status, name);

	return line ? strtoull(line + strlen(name), NULL, base) : 0;
}

static int read_status(pid_t pid, struct procinfo *p, struct err *e)
{
	char path[64];
	_cleanup_free_ char *status = NULL;
	size_t size;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = file_read(AT_FDCWD, path, 1 << 20, &size, e);
	if (!status)
		return -1;
	p->memory = (status_number(status, "\nVmRSS:", 10) + status_number(status, "\nVmSwap:", 10)) << 10;
	p->may_trace_faults = status_number(status, "\nCapEff:", 16) >> CAP_SYS_PTRACE_BIT & 1;
	return 0;
}

int procinfo_read(pid_t pid, struct procinfo *p, struct err *e)
{
	*p = (struct procinfo){ 0 };
	p->exe = read_link(pid, "exe");
	p->cwd = read_link(pid, "cwd");
	if (!p->exe || !p->cwd) {
		err_sys(e, errno, "cannot read the command line of process %d", (int)pid);
		goto fail;
	}
	p->argv = read_arguments(pid, e);
	if (!p->argv || read_status(pid, p, e) < 0)
		goto fail;
	return 0;
fail:
	procinfo_release(p);
	return -1;
}

void procinfo_release(struct procinfo *p)
{
	text_list_free(p->argv);
	free(p->exe);
	free(p->cwd);
	*p = (struct procinfo){ 0 };
}

uint64_t procinfo_started(pid_t pid)
{
	char path[64];
	_cleanup_free_ char *stat = NULL;
	const char *at;
	struct err ignored;
	size_t size;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	stat = file_read(AT_FDCWD, path, 4096, &size, &ignored);
	at = stat ? strrchr(stat, ')') : NULL; /* the name before it may contain anything; field 3 follows */
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

char *procinfo_open_file(pid_t pid, const char *path)
{
	size_t wanted = strlen(path);
	char dir_path[64];
	struct dirent *entry;
	char *found = NULL;
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "/proc/%d/fd", (int)pid);
	dir = opendir(dir_path);
	if (!dir)
		return NULL;
	while (!found && (entry = readdir(dir)) != NULL) {
		char name[280];
		char *target;
		size_t n;

		snprintf(name, sizeof(name), "fd/%s", entry->d_name);
		target = read_link(pid, name);
		n = target ? strlen(target) : 0;
		if (n >= wanted && strcmp(target + n - wanted, path) == 0 &&
		    (n == wanted || target[n - wanted - 1] == '/'))
			found = target;
		else
			free(target);
	}
	closedir(dir);
	return found;
}
