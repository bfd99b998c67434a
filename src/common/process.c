/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "interrupt.h"

/* Tells execvp's failure from the program's own: the status that shells use too. */
#define NO_PROGRAM 127

__attribute__((noreturn))
static void child(const char *const argv[], int said)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	interrupt_release();
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it must not go on writing when we are killed and what it made is removed */
	execvp(argv[0], (char *const *)argv);
	_exit(NO_PROGRAM);
}

/* Reads what the program says until it closes; what does not fit is dropped. */
static void collect(int fd, char *text, size_t size)
{
	char dropped[512];
	size_t used = 0;
	ssize_t n;

	do {
		n = used + 1 < size ? read(fd, text + used, size - 1 - used) : read(fd, dropped, sizeof(dropped));
		if (n > 0 && used + 1 < size)
			used += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	while (used > 0 && text[used - 1] == '\n')
		used--;
	text[used] = '\0';
}

int process_run(const char *const argv[], struct err *e)
{
	char said[500];
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot run '%s'", argv[0]);
	pid = fork();
	if (pid == 0)
		child(argv, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		err_sys(e, errno, "cannot run '%s'", argv[0]);
		close(ends[0]);
		return -1;
	}
	collect(ends[0], said, sizeof(said));
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM && !said[0]) {
		err_set(e, "cannot run '%s': not found", argv[0]);
		return err_hint(e, "install it, or put its directory into PATH");
	}
	return err_set(e, "%s", said[0] ? said : "ended without a message");
}
