/* SPDX-License-Identifier: MIT */
/*
 * mplcr-snap, the map of the tool. Each verb is a file of its name:
 *
 *   main.c        the verbs
 *   overlay.c     a new overlay: on an image that no VM uses (overlay_file.c), or on all disks of a running VM at once
 *                 (overlay_live.c)
 *   reflink.c     copies of a set of files that share their data
 *   subvolume.c   a btrfs snapshot
 *   list.c        what sets, overlays, checkpoints and snapshots are there
 *   remove.c      removes some, where nothing stands on them
 *   probe.c       what a filesystem can do
 *
 * A set of copies goes through these:
 *
 *   set.c         from the operands to the list of copies and their names    -> struct set
 *   set_chain.c   whole backing chains, and the names in their copies
 *   set_copy.c    makes the copies
 *   set_publish.c makes them durable and gives them their names; or removes them
 *   mark.c        tells the files of a set from others
 *
 * And these are asked by several:
 *
 *   in_use.c      what running VMs write to
 *   found.c       what is below a directory
 */
#ifndef MPLCR_SNAP_TOOL_H
#define MPLCR_SNAP_TOOL_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/cli.h"
#include "base/err.h"
#include "base/options.h"
#include "checkpoint/forest/forest.h"
#include "base/path_list.h"

/* The verbs: main.c's table. */
extern const struct cli verb_overlay, verb_reflink, verb_subvolume, verb_list, verb_remove, verb_probe;

/* --- in use (in_use.c) ------------------------------------------------------------------------------------------ */

/* Whether we run inside a pause that mplcr-trigger keeps (MPLCR_AT_FREEZE=1): images that VMs have open stand still. */
bool in_frozen_pause(void);

/*
 * Says in *e that a VM has the image at `path` open for writing, and who; `why` is what comes of that. Always returns
 * -1.
 */
int in_use_error(const char *path, const char *why, struct err *e);

/* --- overlays (overlay_file.c, overlay_live.c) ------------------------------------------------------------------ */

/* --device DEV[=FILE] */
struct live_device {
	char *device;
	char *file; /* where its overlay goes, or NULL */
};

struct overlay_options {
	const char *backing_format; /* NULL: by the content */
	bool absolute;
	bool force; /* on an image that a VM writes to */
	const char *socket;
	const char *name; /* NULL: the next free one */
	struct live_device *devices;
	size_t n_devices;
	bool json;
};

/* Makes the overlay on a file, or those of a running VM, and prints what was made. Returns 0 or -1. */
int overlay_file(const struct overlay_options *o, const char *backing, const char *overlay, struct err *e);
int overlay_live(const struct overlay_options *o, struct err *e);

/* --- marks (mark.c) --------------------------------------------------------------------------------------------- */

/*
 * What tells that a file, or a directory with all that is in it, is a set that reflink made: the extended attribute
 * user.mplcr.set, "CREATED/PROCESS/NUMBER". The first two name the set; NUMBER is how many files it has.
 */
#define MARK_SIZE 80

/* A new one for a set of `n` files. */
void mark_new(char mark[MARK_SIZE], size_t n);
/* Sets it. Returns 0, or -1 with errno. */
int mark_put(int fd, const char *mark);
/* Reads that of `path` (a link is not followed). Returns false where there is none, or none that makes sense. */
bool mark_get(const char *path, char mark[MARK_SIZE]);
/* Its parts. */
void mark_created(const char *mark, char created[MARK_SIZE]);
uint64_t mark_files(const char *mark);

/* --- sets of copies (set.c, set_chain.c, set_copy.c, set_publish.c) --------------------------------------------- */

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
	bool in_use;        /* a VM has the source open for writing */
	bool shared;        /* the data is shared, not copied */
	bool published;     /* it is at `path` now */

	/* --chain: what its header is to say */
	const char *format; /* of the image itself, as QEMU calls it */
	bool names_backing; /* it has a backing file, or its header says so */
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
	bool live_ok;
};

struct set {
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
/* Writes the names of backing and data files into the headers of the copies. Returns 0 or -1. */
int set_rewrite(struct set *s, struct err *e);

/* Makes the copies, and checks that no source was changed meanwhile. Returns 0 or -1. */
int set_copy(struct set *s, struct err *e);

/* Gives the copy, open as `fd`, its owner, mode and time, when nothing is to be written to it any more. */
int set_dress(const struct set *s, const struct copy *c, int fd, struct err *e);

/* Makes all durable under their names. Returns 0 or -1. */
int set_publish(struct set *s, struct err *e);
/* Removes all that was made. Returns 0, or -1 with what is left. */
int set_undo(struct set *s, struct err *e);

/* --- what is there (found.c) ------------------------------------------------------------------------------------ */

/* A set that reflink made. */
struct found_set {
	char mark[MARK_SIZE];
	char *dir;              /* the directory that it is, or NULL where its files lie among others */
	struct path_list files; /* absolute paths */
	uint64_t bytes;         /* sizes of the files */
};

struct found {
	struct forest *forest;
	struct found_set *sets;
	size_t n_sets;
	struct path_list snapshots; /* roots of subvolumes; what is in them is their content, not further things */
};

/* Looks through the directories. Returns 0 or -1. To be released in any case. */
int found_read(struct found *f, char *const *dirs, size_t n, struct err *e);
void found_release(struct found *f);

/* The set that the file, or the directory, at that absolute path belongs to, or NULL. */
const struct found_set *found_set_of(const struct found *f, const char *path);
/* The checkpoint whose directory it is, or FOREST_NONE. */
size_t found_checkpoint(const struct found *f, const char *path);
/* Whether the path is in one of the snapshots, or in the directory of a checkpoint. */
bool found_inside(const struct found *f, const char *path);

#endif
