/* SPDX-License-Identifier: MIT */
/* A process and its children die together, as when a container ends: for programs of tests that make faults. */
#ifndef TEST_KILL_BOTH_H
#define TEST_KILL_BOTH_H

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* The parent of a process (proc(5), stat), or 0. */
static inline pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	const char *end;
	FILE *f;
	size_t n;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	end = strrchr(text, ')'); /* of the name, which may hold anything */
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

static inline void kill_children(pid_t pid)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc)) != NULL) {
		pid_t child = (pid_t)strtol(entry->d_name, NULL, 10);

		if (child > 0 && parent_of(child) == pid)
			kill(child, SIGKILL);
	}
	if (proc)
		closedir(proc);
}

/* Kills the process and its children. Another process is stopped meanwhile, so that it cannot start others. */
static inline void kill_both(pid_t pid)
{
	if (pid != getpid())
		kill(pid, SIGSTOP);
	kill_children(pid);
	kill(pid, SIGKILL);
}

#endif
