/* SPDX-License-Identifier: MIT */
/* The process that takes back what is on the list of changes when we die. */
#ifndef TRIGGER_GUARDIAN_H
#define TRIGGER_GUARDIAN_H

#include <sys/types.h>

#include "changes.h"

struct guardian {
	pid_t pid;
	int alive; /* write end of the pipe whose end of file means that we died */
};

/*
 * Forks the guardian, which does changes_undo when this process ends without guardian_dismiss, and drains the pipe
 * meanwhile. To be called before there are threads. Returns 0 or -1.
 */
int guardian_start(struct guardian *g, struct changes *c, struct qmp *q, const int pipe_ends[2], struct err *e);
void guardian_dismiss(struct guardian *g);

#endif
