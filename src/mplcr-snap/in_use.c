/* SPDX-License-Identifier: MIT */
/* What running VMs write to. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "image/users.h"

bool in_frozen_pause(void)
{
	const char *set = getenv("MPLCR_AT_FREEZE");

	return set && strcmp(set, "1") == 0;
}

int in_use_error(const char *path, const char *why, struct err *e)
{
	pid_t pid = image_users_pid(path, true);

	if (pid)
		return err_set(e, "process %d, a running VM, writes to '%s': %s", (int)pid, path, why);
	return err_set(e, "a running VM writes to '%s': %s", path, why);
}
