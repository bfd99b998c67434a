/* SPDX-License-Identifier: MIT */
/*
 * The rule "is this file in use", for all that reads, changes or removes images; nobody else asks locks or /proc for it.
 * A file is in use where QEMU holds its locks (lock.h: QEMU from 2.10 on, not with locking=off), or any process has it
 * open or mapped, or a loop device stands for it (users.h). That somebody has it open for writing the kernel also tells
 * by refusing a read lease (fcntl(2), F_SETLEASE), whoever it is: processes of other users and PID namespaces too, but
 * only to the owner of the file and root, and not on every filesystem.
 *
 * One look at the processes serves for a whole command, is made when it is first needed, and is then a picture of that
 * moment: in_use_again before a step that cannot be undone.
 */
#ifndef MPLCR_IMAGE_IN_USE_H
#define MPLCR_IMAGE_IN_USE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/options.h"
#include "image/lock.h"
#include "image/users.h"

struct in_use {
	bool assume_unused; /* the user vouches for what cannot be seen: --assume-unused */
	pid_t allowed;      /* a process that may use the files: the VM that does the work itself; 0: none */
	bool processes;     /* only these count: locks are ours, or of the one that may use the files */
	bool looked;
	struct image_users users;
};

/* For option tables of verbs that change or remove images: --assume-unused, into the struct in_use `member`. */
#define ASSUME_UNUSED_OPTION(options, member)                                                                          \
	{                                                                                                              \
		"assume-unused", 0, NULL,                                                                              \
			"though processes of other users cannot be seen, which may\nuse the images: you know of none",   \
			TO_FLAG(options, member.assume_unused)                                                         \
	}

/*
 * How others use the file that is open for reading as `fd`, or the regular file at `path`; IMAGE_UNUSED also where there
 * is none.
 */
enum image_use in_use_fd(struct in_use *u, int fd);
enum image_use in_use_path(struct in_use *u, const char *path);

/*
 * The same where only writers matter much: readers are known by their locks alone, and processes are looked at only where
 * the kernel does not tell of writers otherwise. Microseconds.
 */
enum image_use in_use_writers(struct in_use *u, int fd);

/* The same for the regular file at `path`. */
enum image_use in_use_writers_path(struct in_use *u, const char *path);

/* What is known of the file by the look at processes alone; *pid: who that is, 0 where it is no process. */
enum image_use in_use_file(struct in_use *u, dev_t device, ino_t inode, pid_t *pid);

/* Whether that process uses the file. */
bool in_use_has(struct in_use *u, dev_t device, ino_t inode, pid_t pid);

/*
 * Who uses the file so, and what they do, as the rest of a sentence: "the VM of process 42 writes to it",
 * "process 43 (cp) has it open", "a process that cannot be seen writes to it"; malloc'd.
 */
char *in_use_words(struct in_use *u, dev_t device, ino_t inode, enum image_use use);
char *in_use_words_path(struct in_use *u, const char *path, enum image_use use);

/*
 * Refuses a file that is in use; with `written`, only one that is being written to. Returns 0, or -1 with
 * "'PATH' is in use: the VM of process 42 writes to it".
 */
int in_use_refuse(struct in_use *u, const char *path, bool written, struct err *e) __attribute__((warn_unused_result));

/* Refuses where any file below the directory is in use. Links are not followed. Returns 0 or -1. */
int in_use_refuse_below(struct in_use *u, const char *dir, struct err *e) __attribute__((warn_unused_result));

/*
 * For what changes or removes images: refuses where processes may use them without our seeing it, unless the user vouches
 * for that. Returns 0 or -1.
 */
int in_use_refuse_blind(struct in_use *u, struct err *e) __attribute__((warn_unused_result));

/* Whether we are blind so: for what only reads or copies, which says it. */
bool in_use_blind(struct in_use *u);

/* Looks at the processes now, if that was not done yet: threads may ask afterwards. */
void in_use_look(struct in_use *u);

/* Processes are looked at anew when that is needed next. */
void in_use_again(struct in_use *u);

void in_use_release(struct in_use *u);

#endif
