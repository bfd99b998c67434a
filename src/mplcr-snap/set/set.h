/* SPDX-License-Identifier: MIT */
/*
 * A set of copies, all or none. It goes through these files in this order:
 *
 *   plan.c     from the operands to the list of copies and their names: struct set
 *   chain.c    --chain: adds whole backing chains; later writes the names of copies into the headers of copies
 *   copy.c     makes the copies
 *   publish.c  makes them durable and gives them their names; or removes them
 */
#ifndef MPLCR_SNAP_SET_H
#define MPLCR_SNAP_SET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/path_list.h"
#include "image/in_use.h"
#include "set/mark.h"

#define SET_NONE SIZE_MAX

/*
 * A set of so few files is treated file by file. Of more, into a directory that is there, clones are made under their
 * names at once, each of them whole from its first moment: to rename them takes as long as to make them. And all are
 * made durable with syncfs(2), which is faster then, but waits for what others have written to the filesystem too. (Where
 * the filesystem has a commit of its own, as btrfs has, clones are made durable by that, however many they are.)
 */
#define SET_FEW 16

struct copy {
	char *source;       /* path */
	int fd;             /* the source, open; -1 where too many are */
	char *path;         /* of the copy */
	char *partial;      /* where it is made; NULL until it is */
	struct stat before; /* the source's */
	bool in_use;        /* somebody has the source open for writing */
	bool shared;        /* the data is shared, not copied */
	bool published;     /* it is at `path` now */
	bool names_backing; /* it has a backing file, or its header says so */

	/* --chain: what its header is to say */
	const char *format; /* of the image itself, as QEMU calls it */
	size_t below;       /* index of the copy that is its backing file, or SET_NONE */
	char *below_format; /* and the format of that */
	size_t data;        /* index of the copy that is its external data file, or SET_NONE */
};

enum reflink_when { REFLINK_ALWAYS, REFLINK_AUTO, REFLINK_NEVER };

struct set_options {
	const char *to;     /* directory, or NULL */
	const char *suffix; /* or NULL */
	enum reflink_when when;
	bool chain;
	bool trust_paths; /* chains may lead out of the trees of their images */
	bool live_ok;
};

struct set {
	struct in_use use;
	const struct set_options *options;
	struct copy *copies;
	size_t n;
	int max_fd; /* descriptors above are not kept */
	uid_t uid;  /* ours */
	gid_t gid;
	char *dir;         /* --to: absolute path of the directory */
	char *dir_partial; /* where it is made, if it did not exist; else NULL */
	bool dir_made;
	bool direct;    /* the copies are made under their names at once */
	bool committed; /* one commit of the filesystem makes files and names durable (filesystem.h) */
	bool dir_published;
	atomic_bool marked; /* list will know the set */
	char mark[MARK_SIZE];
	int interrupt; /* descriptor (interrupt.h) */
};

/* Fills the set from the paths: what is copied, to where. Nothing is written. Returns 0 or -1. */
int set_plan(struct set *s, const struct set_options *o, const struct path_list *sources, struct err *e);
void set_release(struct set *s);

/*
 * Adds a source; *index tells where it is: with --chain, a file that is there already stays where it is. Returns 0, or
 * -1 where it cannot be copied.
 */
int set_add(struct set *s, const char *source, size_t *index, struct err *e);
/* The path that the copy will have: absolute, without links in its directory; malloc'd, or NULL with errno. */
char *set_final_path(const struct set *s, const struct copy *c);
/* Opens the source of a copy; -1 with an error. */
int set_open_source(const struct copy *c, struct err *e);
/* Adds the chain of the image at `path`, each image once. Returns 0 or -1. */
int set_add_chain(struct set *s, const char *path, struct err *e);
/* With --chain writes the names of backing and data files into the headers of the copies. Returns 0 or -1. */
int set_rewrite(struct set *s, struct err *e);

/* Makes the copies, and checks that no source was changed meanwhile. Returns 0 or -1. */
int set_copy(struct set *s, struct err *e);

/* Gives the copy, open as `fd`, its owner, mode and time, when nothing is to be written to it any more. */
int set_attributes(const struct set *s, const struct copy *c, int fd, struct err *e);

/* Makes all durable under their names. Returns 0 or -1. */
int set_publish(struct set *s, struct err *e);
/* Removes all that was made. Returns 0, or -1 with what is left. */
int set_undo(struct set *s, struct err *e);

#endif
