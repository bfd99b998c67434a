/* SPDX-License-Identifier: MIT */
/*
 * From the command line that a VM ran with to the one that restores it. The rules, in the order of work:
 *
 *   ended      -S, -incoming, -loadvm, -snapshot, -daemonize, -pidfile and -preconfig are dropped: they are about how
 *              that one QEMU process was started. Descriptors that it inherited (fd=, -add-fd) cannot be had again:
 *              refused.
 *   outside    what only one process can have is moved into the run directory under its own name: UNIX sockets that
 *              QEMU listens on, files that it writes (character devices, logs, traces, shared memory files). So clones
 *              run beside each other and beside the VM that they come from. TCP ports stay as they are. No socket
 *              waits for a client before the VM starts. A recorded -qmp socket with the name of the new one becomes
 *              the new one.
 *   disks      the argument that gives a disk (by id or node name, else by image) gets the fresh overlay, as qcow2; all
 *              its other properties stay. Read-only disks keep their image, by the path that it has now.
 *   included   a file that the checkpoint includes is this run's copy of it, wherever it is a whole value.
 *   machine    an alias becomes the machine type that it stood for.
 *   memory     lazily, each RAM block with a file of pages is mapped from it, private (share=off), by the memory
 *              backend that has the block's name, or by a new one for the machine's main memory; otherwise memory is
 *              plain, and never a file of another checkpoint.
 *   started    -qmp, -incoming and, unless told otherwise, -S are added; -name where a name was given.
 *
 * A command line that the user gives is taken as it is: {disk:DEVICE}, {include:PATH} and {ram} are replaced, and of the rules above
 * only `memory` (where {ram} does not occur) and `started` are used.
 */
#ifndef MPLCR_COMMANDLINE_H
#define MPLCR_COMMANDLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "checkpoint/manifest.h"

/* What the new command line is made from. All borrowed. */
struct commandline_request {
	const struct manifest *m;
	char *const *argv;           /* NULL-terminated, with the program's name: the recorded one or the user's */
	bool own;                    /* it is the user's */
	const char *binary;          /* the program to start */
	int version;                 /* its version, as qmp_version gives it */
	bool lazy;
	const char *run_dir;         /* absolute */
	const char *socket;          /* of the new QMP monitor, absolute */
	const char *vm_name;         /* for -name, or NULL */
	char *const *overlays;       /* of each disk of the manifest, absolute; NULL for one that is read-only */
	char *const *included;       /* of each file that the manifest includes, this run's copy, absolute */
	const char *incoming;        /* "defer", "exec:…" */
	bool stopped;                /* add -S */
};

struct commandline_move {
	char *from, *to;
};

/* The result; commandline_release frees it. */
struct commandline {
	char **argv;                 /* NULL-terminated */
	struct commandline_move *moved;
	size_t n_moved;
	char **notes;                /* what a user should know, sentences */
	size_t n_notes;
	bool *used;                  /* of each disk of the manifest: the VM gets it */
};

/* The longest path that a UNIX socket can have. */
#define COMMANDLINE_SOCKET_MAX 107

/*
 * Why a VM with this command line cannot be restored lazily by QEMU `version`: words to follow "because", or NULL where
 * it can. `argv` as in the request.
 */
const char *commandline_why_eager(const struct manifest *m, char *const *argv, int version);

/* The file of pages of the machine's main memory, or NULL. */
const struct manifest_file *memory_main_file(const struct manifest *m);

/* Makes the new command line. Returns 0 or -1; *c is to be released in any case. */
int commandline_build(const struct commandline_request *r, struct commandline *c, struct err *e)
	__attribute__((warn_unused_result));

void commandline_release(struct commandline *c);

#endif
