/* SPDX-License-Identifier: MIT */
/*
 * mplcr-restore: starts a VM from a checkpoint. The way through:
 *
 *   options → plan (reads and checks everything, changes nothing; --print ends here)
 *           → prepare (run directory, a fresh overlay on each frozen image, copies of included files)
 *           → start (QEMU, until its monitor greets)
 *           → load (feed the state, check the disks, let the guest run)
 *           → report
 *
 * With --count all after the plan is done by one process for each VM: many.c.
 *
 * With --receiver the state is in a QEMU already, and its place is taken by
 *
 *   options → plan → receiver (look at it, prepare overlays, put them on, let the guest run) → report
 *
 * The functions below come in that order, each group with the file that it is in. main.c has the options and the way;
 * commandline/ makes QEMU's command line out of the recorded one. In which form a state is stored, only its layout
 * knows (checkpoint/layout.h).
 *
 * What fails after prepare began is undone: QEMU is killed, the run directory removed. The checkpoint and the frozen
 * images are only ever read.
 */
#ifndef MPLCR_RESTORE_H
#define MPLCR_RESTORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "commandline/commandline.h"
#include "commandline/policy.h"
#include "base/err.h"
#include "checkpoint/manifest.h"
#include "qemu/overlay.h"
#include "qemu/qmp.h"
#include "state/join.h"

/* As given on the command line. */
struct options {
	const char *checkpoint;
	const char *socket, *name, *dir; /* or NULL */
	const char *receiver;            /* its QMP socket, or NULL */
	char *const *own;                /* the user's command line for QEMU, or NULL */
	uint64_t timeout_ms;
	uint64_t count; /* how many VMs; 0 where it was not given */
	bool all_or_none;
	bool lazy, eager, paused, foreground, print, secrets, verify, force, trust, adopt, json;
};

/* What is going to be done. Owned strings; plan_free. */
struct plan {
	const struct options *o;
	struct manifest *m;
	bool lazy;
	char *binary;     /* of QEMU, absolute */
	int version;      /* its version */
	char *parent;     /* the directory that the run directory is made in */
	char *wish;       /* what the run is to be called, or NULL */
	char *name;       /* of the run: "run-1" */
	char *dir;        /* the run directory, absolute */
	char *socket;     /* the new QMP socket, or the receiver's; absolute */
	char *log;        /* QEMU's output, where it runs in the background */
	char *cwd;        /* QEMU's working directory; NULL: ours */
	char **overlays;  /* of each disk, absolute; NULL where it is read-only */
	char **included;  /* of each file that the checkpoint includes: this run's copy, absolute */
	struct commandline c;
	bool foreign;     /* this user's key did not sign the manifest */
	struct wants wants; /* what it asks for that is not harmless */
	const int *templates; /* --count: of each disk an overlay to copy, a descriptor, or -1; else NULL */
	bool made_parent, made_dir; /* by prepare */
};

/* A started QEMU, or the receiver. */
struct vm {
	pid_t pid;        /* the receiver is no child of ours */
	bool ended;       /* it was waited for; `status` is valid */
	int status;
	int feed_fd;      /* the writing end of the pipe that the state goes through */
	int state_fd;     /* the reading end, as QEMU knows it */
	struct qmp *qmp;
	int interrupt;    /* readable once we are told to end */
	int64_t deadline;
	int64_t greeted;  /* when its monitor was up */
	int64_t running;  /* when the guest ran (or stood ready, with --paused) */
};

/* plan.c: checks everything. Returns 0 or -1. */
int plan_restore(struct plan *p, const struct options *o, struct err *e) __attribute__((warn_unused_result));
void plan_free(struct plan *p);

/*
 * plan_run.c: names the run directory (the wish, or the next free "run-N", beginning at `*n`) and all in it, and builds
 * the command line for it. Returns 0 or -1.
 */
int plan_name_run(struct plan *p, unsigned *n, struct err *e) __attribute__((warn_unused_result));

/* program.c: finds QEMU and compares it with the checkpoint's; fills p->binary and p->version. */
int program_choose(struct plan *p, struct err *e) __attribute__((warn_unused_result));

/* What the program says to that option: *answer is malloc'd. Returns 0, or -1 where it fails. */
int program_ask(const struct plan *p, const char *option, const char *value, char **answer, struct err *e)
	__attribute__((warn_unused_result));

/* The same with a command line of one's own; *answer also where it fails. */
int program_ask_with(const struct plan *p, char *const *argv, char **answer, struct err *e)
	__attribute__((warn_unused_result));

/* parts.c: whether that QEMU has what the VM is made of. Returns 0, or -1 with the first that it lacks. */
int parts_check(const struct plan *p, struct err *e) __attribute__((warn_unused_result));

/* Whether p->binary is the QEMU that PATH finds by its name. */
bool program_is_usual(const struct plan *p);

/* host.c: whether the host has KVM and the processor that the guest needs. Returns 0 or -1. */
int host_check(const struct plan *p, struct err *e) __attribute__((warn_unused_result));

/*
 * trust.c: what the checkpoint wants that is not harmless (p->wants): of its images, when the manifest is loaded; of the
 * rest, when the command line is built. What is awaited of the user is not opened meanwhile. trust_check refuses a foreign one that wants anything, unless --trust was given;
 * trust_adopt signs it. Each shows what is wanted.
 */
void trust_judge_images(struct plan *p);
void trust_judge_command(struct plan *p);
bool trust_is_awaited(const struct plan *p);
int trust_check(const struct plan *p, struct err *e) __attribute__((warn_unused_result));
int trust_adopt(const struct plan *p, struct err *e) __attribute__((warn_unused_result));
json_t *trust_wants_json(const struct plan *p);

/*
 * run.c: from the plan to the VM. run_start begins at `vm`, all zero, and either leads to the loaded state, and the
 * guest runs, or undoes everything. run_undo does so later. run_hand_over tells of the VM that runs, which stays whatever
 * fails now; returns the exit status, or -1. `began`: when the user began to wait.
 */
int run_start(struct plan *p, struct vm *vm, struct err *e) __attribute__((warn_unused_result));
void run_undo(struct plan *p, struct vm *vm);
int run_hand_over(const struct plan *p, struct vm *vm, int64_t began, struct err *e)
	__attribute__((warn_unused_result));

/* many.c: --count. Returns the exit status, or -1. */
int many_restore(struct plan *p, int64_t began, struct err *e) __attribute__((warn_unused_result));

/* prepare.c: makes what is needed on disk; prepare_undo removes it again. */
int prepare_run(struct plan *p, int interrupt, struct err *e) __attribute__((warn_unused_result));
void prepare_undo(struct plan *p);

/*
 * overlays.c: the fresh overlays of this run, one for each disk that the VM gets and may write. Malloc'd, `backing`
 * too; the other strings are the plan's. NULL with an error.
 */
struct overlay *run_overlays(const struct plan *p, size_t *n, struct err *e);

/*
 * Makes an overlay of each of these disks in memory, for runs whose overlays are all the same. Returns a descriptor for
 * each disk, -1 for the others; overlays_templates_free closes them. NULL with an error.
 */
int *overlays_templates(const struct plan *p, int interrupt, struct err *e);
void overlays_templates_free(const struct plan *p, int *templates);
void run_overlays_free(struct overlay *list, size_t n);

/*
 * The claims (checkpoint/claim.h) of these overlays, where they are made, with the images that they name: left
 * before a VM uses them, without waiting for the disk; made durable when the guest runs; taken back.
 */
void run_claims_leave(const struct plan *p);
void run_claims_settle(const struct plan *p);
void run_claims_drop(const struct plan *p);

/* included.c: names this run's copies of the files that the checkpoint includes; makes them. */
void included_name(struct plan *p);
int included_copy_all(const struct plan *p, struct err *e) __attribute__((warn_unused_result));

/* start.c: starts QEMU and waits until its monitor greets; vm_kill ends it. */
int vm_start(struct vm *vm, const struct plan *p, struct err *e) __attribute__((warn_unused_result));
void vm_kill(struct vm *vm);

/* Where QEMU has ended (or does within `wait_ms`), makes *e say so in its own words. Always returns -1. */
int vm_explain(struct vm *vm, const struct plan *p, int wait_ms, struct err *e);

/* load.c: feeds the state, checks the disks, lets the guest run. */
int vm_load(struct vm *vm, const struct plan *p, struct err *e) __attribute__((warn_unused_result));

/* Parts of it: waits until the state that comes in is loaded; lets the guest run. */
int vm_wait_loaded(struct vm *vm, struct err *e) __attribute__((warn_unused_result));
int vm_run_guest(struct vm *vm, struct err *e) __attribute__((warn_unused_result));

/* vm_disks.c: checks with QEMU that every disk writes to its fresh overlay, and none to a frozen image. */
int vm_check_disks(struct vm *vm, const struct plan *p, struct err *e) __attribute__((warn_unused_result));

/* overwritten.c: the pages of the memory file that QEMU changed in its private copy before the state came. */
struct overwritten {
	struct stream_range *ranges;
	size_t n;
};

/* Reads them for the process `pid`, which maps `file`, an absolute path. To be released in any case. */
int overwritten_read(struct overwritten *o, pid_t pid, const char *file, struct err *e)
	__attribute__((warn_unused_result));
void overwritten_release(struct overwritten *o);

/* feed.c: a thread that writes the saved state, lazily with the pages `o`, into the pipe. `o` is borrowed. */
struct feed;
struct feed *feed_start(const struct plan *p, const struct overwritten *o, int fd, struct err *e);

/*
 * Waits for the thread and frees it. Returns 0 where all was written; -1 with *e where the state could not be read; 1
 * where QEMU stopped reading.
 */
int feed_finish(struct feed *f, struct err *e);

/*
 * receiver.c: lets the guest run in the receiver, which is paused with the loaded state. Fills in `vm`, whose interrupt
 * and deadline are set. Of p->overlays and p->c.used it makes what the receiver's disks are in the end.
 */
int receiver_resume(struct vm *vm, struct plan *p, struct err *e) __attribute__((warn_unused_result));

/* report.c: what was done, on standard output. print.c: what would be done, as shell commands. */
int report_run(const struct plan *p, const struct vm *vm, double total_ms, struct err *e)
	__attribute__((warn_unused_result));
int print_commands(const struct plan *p, struct err *e) __attribute__((warn_unused_result));

/* foreground.c: waits for QEMU, passing signals on. Returns its exit status. */
int vm_attend(struct vm *vm);

#endif
