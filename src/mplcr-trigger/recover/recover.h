/* SPDX-License-Identifier: MIT */
/*
 * mplcr-trigger recover: what a checkpoint left behind whose mplcr-trigger and guardian both died, or that a power cut ended. The
 * map of the room:
 *
 *   recover.c   the verb: options, which directories, the exit status
 *   unfinished.c   one unfinished checkpoint: what was found, and the one right next step for it
 *   reach.c     its VM: running and reached, running and out of reach, or gone
 *   running.c   of a VM that runs: what is still changed in it; taken back by the tool's own undo (../undo.c)
 *   gone.c      of a VM that is gone: the images that it has to go on with
 *   finding.c   what was found, as lines and as JSON
 *
 * Nothing is done without --yes. What a journal says is a request (checkpoint/unfinished/unfinished.h): run state, settings and
 * images are asked of QEMU and of the files themselves.
 */
#ifndef TRIGGER_RECOVER_H
#define TRIGGER_RECOVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/options.h"
#include "checkpoint/unfinished/unfinished.h"
#include "qemu/disks.h"
#include "qemu/qmp.h"
#include "qemu/vm.h"

/* What has become of a finding. */
enum outcome_of { FOUND, DONE, LEFT, FAILED };

struct finding {
	const char *kind;
	char *path, *device; /* device: of a disk, or NULL */
	char *text, *next;
	char *frozen; /* of a disk, or NULL */
	enum outcome_of outcome;
};

struct recover {
	const char *socket; /* --socket, absolute, or NULL: that of each journal */
	bool yes;
	bool json;
	struct finding *list;
	size_t n;
	struct err why; /* of the first that failed */
};

/* mplcr-trigger recover (base/options.h). */
extern const struct cli verb_recover;

/* --- findings --------------------------------------------------------------------------------------------------- */

/* Adds one: its kind, what it is about, what it is, and the next step (may be NULL: there is none). The last is returned until the next add. */
struct finding *finding_add(struct recover *r, const char *kind, const char *path, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* All from number `from` on, but those that are to be left, are done where `result` is 0, else failed for the reason in *e. */
void found_end_with(struct recover *r, size_t from, int result, const struct err *e);

/* How many have come to that. */
size_t found_count(const struct recover *r, enum outcome_of outcome);

int found_print(const struct recover *r, struct err *e);
void found_release(struct recover *r);

/* --- one unfinished checkpoint ---------------------------------------------------------------------------------- */

/* A VM, as it is found. */
enum reach { VM_REACHED, VM_OUT_OF_REACH, VM_GONE };

struct reached {
	enum reach reach;
	struct qmp *q; /* where it is reached */
	struct vm_process process;
	struct vm_disks disks;
	char *why; /* it is out of reach */
};

/* Looks for the VM of the journal. To be released in any case. */
void vm_reach(struct reached *v, const struct unfinished *u, const char *socket);
void vm_reached_release(struct reached *v);

/* The directory at `partial`, absolute: finds what there is to be found, and with --yes does it. */
void recover_unfinished(struct recover *r, const char *partial);

/* The same of a VM that runs, and of one that is gone. */
void recover_running(struct recover *r, const struct unfinished *u, struct reached *v);
void recover_gone(struct recover *r, const struct unfinished *u);

/* Names the overlay that each disk has to go on with. Returns whether there is any. */
bool name_active(struct recover *r, const struct unfinished *u);

#endif
