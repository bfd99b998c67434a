/* SPDX-License-Identifier: MIT */
/*
 * Which processes use a file. Locks (lock.h) tell of QEMU from 2.10 on only, and not with locking=off; so this looks at
 * what every process has open (/proc/PID/fd) or mapped (/proc/PID/maps, map_files: proc(5)), and at what loop devices stand
 * for (/sys/block/loopN/loop/backing_file).
 *
 * One look takes some milliseconds and answers for any number of files; it is a picture of that moment. Processes of other
 * users can be seen by root only, those of other PID namespaces by nobody: image_users_blind tells of the first.
 */
#ifndef MPLCR_IMAGE_USERS_H
#define MPLCR_IMAGE_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* One use of one file. */
struct image_user {
	dev_t device;
	ino_t inode;
	pid_t pid;    /* 0: the kernel, for a loop device */
	bool writes;  /* open for writing, or mapped so and shared */
	bool mapped;  /* not open, but mapped */
	int loop;     /* the number of the loop device, or -1 */
};

struct image_users {
	struct image_user *list; /* sorted by device and inode; writers first, then who has it open */
	size_t n;
	size_t n_hidden; /* processes of other users that could not be looked into */
};

/* Looks at all processes but ours. To be released in any case. */
void image_users_look(struct image_users *u);

/* The first that uses the file, a writer where there is one; NULL where none is seen. Borrowed. */
const struct image_user *image_users_find(const struct image_users *u, dev_t device, ino_t inode);

/* The same for a path; NULL also where it does not exist. */
const struct image_user *image_users_find_path(const struct image_users *u, const char *path);

/*
 * For who asks for one file only: the process that uses it, with `writes` for writing, or 0 where none is seen. A look of its
 * own each time.
 */
pid_t image_users_pid(const char *path, bool writes);

/* Who that is, for messages: "process 42 (qemu-system-x86)", "/dev/loop3"; malloc'd. */
char *image_user_name(const struct image_user *user);

/*
 * Whether processes may use files without our seeing it: we are not root, and there are processes of others. What changes
 * images refuses then, unless the user vouches for it (--assume-unused).
 */
bool image_users_blind(const struct image_users *u);

void image_users_release(struct image_users *u);

#endif
