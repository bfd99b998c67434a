/* SPDX-License-Identifier: MIT */
/* A child process that uses a file, for tests of who does. */
#ifndef MPLCR_FILE_USER_H
#define MPLCR_FILE_USER_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_USER_BYTES 4096 /* that it maps: the file has to be as long */

enum file_use { OPEN_READ, OPEN_WRITE, MAP_PRIVATE_ONLY, MAP_SHARED_ONLY };

/* Starts a child that uses the file so, and is ready when this returns. Ended with file_user_end. */
static inline pid_t file_user_start(const char *path, enum file_use use)
{
	bool writes = use == OPEN_WRITE || use == MAP_SHARED_ONLY;
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		int fd = open(path, writes ? O_RDWR : O_RDONLY);

		if (use == MAP_PRIVATE_ONLY || use == MAP_SHARED_ONLY) {
			mmap(NULL, FILE_USER_BYTES, PROT_READ | PROT_WRITE,
			     use == MAP_SHARED_ONLY ? MAP_SHARED : MAP_PRIVATE, fd, 0);
			close(fd);
		}
		(void)!write(ready[1], "r", 1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	close(ready[0]);
	return pid;
}

static inline void file_user_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif
