/* SPDX-License-Identifier: MIT */
/* What of the patched QEMU's is switched on: its part of the list of changes (changes.h). */
#ifndef TRIGGER_PATCHED_CHANGED_H
#define TRIGGER_PATCHED_CHANGED_H

#include <limits.h>
#include <stdbool.h>

struct changed_patch {
	bool live; /* the next migration is a checkpoint, which resumes the VM here */
	bool max_rate;
	bool extended;      /* the live stage does not end by itself */
	bool mplm;          /* settings that the next migration will take */
	bool stuck;         /* its live stage spins for ever: nothing ends that migration */
	char job[PATH_MAX]; /* the directory that makes the script run the user's command, or "" */
	char live_socket[PATH_MAX]; /* the socket for end-live, or "" */
};

#endif
