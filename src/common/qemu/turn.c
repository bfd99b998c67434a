/* SPDX-License-Identifier: MIT */
#include "qemu/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/interrupt.h"

/* Between two tries. */
#define AGAIN_MS 20

static int taken(pid_t qemu, int wait_ms, struct err *e)
{
	err_set(e, "another tool has been changing the VM of process %d for %d ms, through another QMP socket", (int)qemu,
		wait_ms);
	return err_hint(e, "one checkpoint, merge or overlay at a time: try again when it has ended");
}

int turn_take(pid_t qemu, int wait_ms, int interrupt, int *turn, struct err *e)
{
	int64_t until = clock_in_ms(wait_ms);
	_cleanup_close_ int fd = -1;
	char path[64];

	*turn = -1;
	snprintf(path, sizeof(path), "/proc/%d/personality", (int)qemu); /* mode 0400 */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return 0;
		if (clock_over(until))
			return taken(qemu, wait_ms, e);
		if (interrupt_sleep(interrupt, AGAIN_MS, e) < 0)
			return -1;
	}
	*turn = steal_fd(&fd);
	return 0;
}
