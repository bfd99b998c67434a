/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "restore.h"

static void pass_on(const struct vm *vm)
{
	struct signalfd_siginfo info;

	while (read(vm->interrupt, &info, sizeof(info)) == (ssize_t)sizeof(info))
		kill(vm->pid, (int)info.ssi_signo);
}

int vm_attend(struct vm *vm)
{
	_cleanup_close_ int child = (int)syscall(SYS_pidfd_open, vm->pid, 0);
	struct pollfd p[2] = { { .fd = vm->interrupt, .events = POLLIN }, { .fd = child, .events = POLLIN } };

	while (child >= 0 && !p[1].revents) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[0].revents)
			pass_on(vm);
	}
	while (waitpid(vm->pid, &vm->status, 0) < 0 && errno == EINTR)
		;
	vm->ended = true;
	return WIFSIGNALED(vm->status) ? 128 + WTERMSIG(vm->status) : WEXITSTATUS(vm->status);
}
