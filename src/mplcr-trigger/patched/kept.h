/* SPDX-License-Identifier: MIT */
/*
 * What we gave a patched QEMU process that it keeps and does not tell: kept beside its socket, for that process only.
 */
#ifndef TRIGGER_PATCHED_KEPT_H
#define TRIGGER_PATCHED_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct kept {
	char *dir; /* SOCKET.mplcr, absolute */
	pid_t pid;
	bool script;    /* at each checkpoint it runs our script, and makes no overlays */
	bool at_risk;   /* a migration may have begun since that makes the overlays: settle.h finds out */
	struct kept_migration {
		int64_t ms, bytes;
	} before;       /* the last one before it, by its total time and what it has transferred */
	size_t n_queue; /* overlays that it will make at the next checkpoint */
	struct queued {
		char *device;
		char *file;
		bool asked; /* it was asked to, and whether it has heard of it is not known */
	} * queue;
};

/* Reads what is kept of the process `pid` that listens on `socket`; nothing is no failure. Returns 0 or -1. */
int kept_load(struct kept *k, const char *socket, pid_t pid, struct err *e);
/* Stores it; where nothing is kept, removes the directory. */
int kept_store(const struct kept *k, struct err *e);
/* An overlay that is queued. Returns it, valid until the next call. */
struct queued *kept_queue_add(struct kept *k, const char *device, const char *file);
/* Drops all but the first `n` of the queue; with none left, nothing is at risk. */
void kept_queue_cut(struct kept *k, size_t n);
/* The overlay that is surely queued for the device, or NULL. */
const char *kept_queued(const struct kept *k, const char *device);
void kept_release(struct kept *k);

#endif
