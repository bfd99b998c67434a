/* SPDX-License-Identifier: MIT */
/*
 * The journal of a checkpoint under way, NAME.ckpt.partial/undo.jsonl: what was changed in the VM and where it goes on, for
 * whoever comes when both mplcr-trigger and its guardian have died, or after a power cut. One JSON object a line, each signed
 * (base/key.h, kind "partial"). The first says what is meant to be done, before anything is: the VM's process, each disk with
 * its image and its overlay. Later ones say what has come of that: an overlay was claimed; run state, capabilities and
 * parameters of the VM are about to be changed.
 *
 * Lines are appended, none in the guest's pause. What names images is made durable before there is more of these than an
 * empty file (unfinished_sync). The rest
 * is about a running VM, and of no use once that is gone; it is written and not waited for.
 *
 * Little of a journal is believed. It must be signed by this user on this host, for this very directory in that very place
 * (filesystem and inode). Overlays are named by a directory, with its identity, and a name without a slash, and count only
 * where the file is still the one that was claimed, or, after a power cut, an empty one. At the first line that is not in order, reading ends: it may be half
 * written.
 */
#ifndef MPLCR_CHECKPOINT_UNFINISHED_H
#define MPLCR_CHECKPOINT_UNFINISHED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/file_id.h"

#define UNFINISHED_SCHEMA "mplcr.trigger.undo/1"
#define UNFINISHED_KIND "partial" /* of its signatures */
#define UNFINISHED_MAX_DISKS 64
#define UNFINISHED_MAX_BYTES (1 << 20)

/* A process; `started` as procinfo_started. */
struct unfinished_process {
	pid_t pid;
	uint64_t started;
};

/* A disk that gets an overlay. All text is malloc'd. */
struct unfinished_disk {
	char *device;
	char *frozen; /* absolute path of its image */
	char *format; /* of that */
	char *below;  /* and the name of its node */
	char *overlay; /* absolute path; as read, beside the journal's directory as found, where it was there */
	char *node;    /* of the overlay; "" where QEMU chooses its name */
	struct file_id frozen_id, dir_id; /* of the image (inode 0: not a file), and of the overlay's directory */
	bool claimed;      /* the file at `overlay` was made by this checkpoint: */
	struct file_id id; /* this one */
	int64_t made_ns;   /* its modification time when it was made: later, somebody wrote to it */
};

struct unfinished {
	char *partial; /* absolute path of the directory, as found */
	char *created; /* UTC */
	char *engine;
	char *socket; /* QMP, absolute */
	struct unfinished_process vm, tool;
	bool this_boot; /* read: the host has not been started anew since */
	uint64_t pipe;  /* inode of the pipe that QEMU writes the state into; 0: none */
	bool was_running;
	bool unbreakable; /* QEMU's migration must not be cancelled */
	bool at_work;     /* we may have stopped the VM or started a migration, and both are not over */
	json_t *capabilities, *parameters; /* as they were before we changed them (changes.h); NULL: not changed */
	json_t *patch;                     /* of the patched QEMU, its own (patched/); NULL: nothing */
	struct unfinished_disk *disks;
	size_t n_disks;
	struct file_id dir_id, parent_id; /* of the journal's directory, and of the one that holds it */
};

void unfinished_release(struct unfinished *u);

/* --- writing ---------------------------------------------------------------------------------------------------- */

struct unfinished_journal;

/*
 * Begins the journal in the directory `dirfd`, which is u->partial, and locks that (unfinished_lock) for as long as `dirfd` or
 * a copy of it is open, which the journal needs, too. `u` says what is meant to be done. Where the user has no key, and none can
 * be made, it is not signed, and only to be looked at. Returns the journal, to be closed, or NULL.
 */
struct unfinished_journal *unfinished_begin(const struct unfinished *u, int dirfd, struct err *e);

/* Disk number `i` has its overlay: claimed just now; made, since `made_ns`. Return 0 or -1. */
int unfinished_claimed(struct unfinished_journal *j, size_t i, const char *path, struct err *e)
	__attribute__((warn_unused_result));
int unfinished_made(struct unfinished_journal *j, size_t i, int64_t made_ns, struct err *e)
	__attribute__((warn_unused_result));

/* Makes it durable, with its name and that of its directory. Returns 0 or -1. */
int unfinished_sync(struct unfinished_journal *j, struct err *e) __attribute__((warn_unused_result));

/* What is about to be changed in the VM: at_work, unbreakable, capabilities, parameters, patch of `u`. Returns 0 or -1. */
int unfinished_note(struct unfinished_journal *j, const struct unfinished *u, struct err *e)
	__attribute__((warn_unused_result));

/* The checkpoint is whole: the journal goes. Closes it; NULL is allowed. */
void unfinished_end(struct unfinished_journal *j);

/* Only closes it. NULL is allowed. */
void unfinished_close(struct unfinished_journal *j);

/* --- reading ---------------------------------------------------------------------------------------------------- */

/*
 * Reads the journal of the directory `dirfd`, found at the absolute path `partial`. Returns 1, 0 where there is none, or -1
 * where it is none that we may obey. To be released in any case.
 */
int unfinished_read(struct unfinished *u, int dirfd, const char *partial, struct err *e)
	__attribute__((warn_unused_result));

/* The same whoever wrote it, for who only warns. */
int unfinished_read_any(struct unfinished *u, int dirfd, const char *partial, struct err *e)
	__attribute__((warn_unused_result));

/* What the lines `text` say, whoever signed them, where the directory of the journal is in `parent`. Returns 0 or -1. */
int unfinished_parse(struct unfinished *u, const char *text, size_t size, const char *parent, struct err *e)
	__attribute__((warn_unused_result));

/* Whether the directory holds nothing but a journal whose first line was not finished, or nothing: nothing was begun. */
bool unfinished_not_begun(int dirfd);

/* Whether the overlay is there, and still the file that was claimed. */
bool unfinished_has_overlay(const struct unfinished_disk *d);

/*
 * Locks the directory of an unfinished checkpoint, while the descriptor is open. Returns 0; 1 where someone is at work in it;
 * or -1.
 */
int unfinished_lock(int dirfd, struct err *e) __attribute__((warn_unused_result));

#endif
