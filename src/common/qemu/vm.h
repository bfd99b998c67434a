/* SPDX-License-Identifier: MIT */
/*
 * One VM behind a QMP socket: the process that runs it, its run state, and the moments in which its guest is held still.
 * Its block nodes: nodes.h; its disks: disks.h.
 */
#ifndef MPLCR_QEMU_VM_H
#define MPLCR_QEMU_VM_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proc.h"
#include "qemu/qmp.h"

/* The process at the other end of the socket. */
struct vm_process {
	pid_t pid; /* 0 where it is not known */
	uid_t uid; /* who it runs as; we, where /proc does not tell of it */
	gid_t gid;
	bool known;           /* /proc tells of it: `proc` is filled in */
	struct procinfo proc; /* all zero where it does not */
};

/* Never fails: what cannot be told is not known. To be released in any case. */
void vm_process_read(struct vm_process *p, const struct qmp *q);
void vm_process_release(struct vm_process *p);

/*
 * The absolute path of an image by the name that this QEMU shows for it (image_path.h); `p` NULL: relative names cannot
 * be followed. Malloc'd, or NULL where no such file can be found.
 */
char *vm_image_path(const struct vm_process *p, const char *shown);

/* query-status. */
struct vm_status {
	char state[32]; /* "running", "paused", … (qapi/run-state.json, RunState) */
	bool running;
};

/* Returns 0 or -1. */
int vm_status_read(struct qmp *q, struct vm_status *status, struct err *e) __attribute__((warn_unused_result));

/*
 * Whether query-migrate's `status` is that of no migration under way (qapi/migration.json, MigrationStatus); NULL: there
 * was none.
 */
bool vm_migration_is_over(const char *status);

/* Lets the guest run (cont), or stops it. Returns 0 or -1. */
int vm_set_running(struct qmp *q, bool running, struct err *e) __attribute__((warn_unused_result));

/*
 * Makes the guest run, or pauses it, again and again until QEMU does it (qmp_try_again): a migration that ends may be
 * about to change its state, and slow storage may keep QEMU. For use with qmp_be_patient. A guest that has stopped for
 * good (shut down, panicked), or does so anew for an I/O error, fails; with `leave_io_error`, one that QEMU stopped for an
 * I/O error is left so. Returns 0 or -1.
 */
int vm_insist(struct qmp *q, bool running, bool leave_io_error, struct err *e) __attribute__((warn_unused_result));

/*
 * Holds the guest still for a moment, until vm_release: *held tells that it ran, and has to run again. One that stood
 * anyway stays so. Both return 0 or -1.
 */
int vm_hold(struct qmp *q, bool *held, struct err *e) __attribute__((warn_unused_result));
int vm_release(struct qmp *q, bool held, struct err *e) __attribute__((warn_unused_result));

#endif
