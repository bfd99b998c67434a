/* SPDX-License-Identifier: MIT */
/*
 * pack and unpack, the map of the room. A packed checkpoint is one directory with all that belongs to it, or a stream of
 * that; it needs nothing else, wherever it is taken.
 *
 *   pack.c      the verb: options; a directory that is filled, or a stream
 *   unpack.c    the verb
 *   collect.c   what belongs to a checkpoint, how it is called in the pack, and the manifest that says so
 *   fill.c      copied into a directory
 *   send.c      written as a stream
 *   receive.c   read from one, into a directory
 *   list.c      the list at the beginning of a stream
 *   target.c    the directory that a checkpoint is to come to, while it is not there yet
 *   names.c     file names below a directory: opened for writing, and removed
 *
 * A stream is an archive of tar (base/tar.h), compressed with zstd, with the members NAME.ckpt/pack.json, the list, then
 * NAME.ckpt/checkpoint.json, the manifest, and all other files in the order of the list. What arrives is judged by the
 * list alone: any other member, or one in another place, is refused.
 *
 * The list also marks a directory NAME.ckpt.partial as one of ours, which the next pack or unpack may go on with.
 */
#ifndef MPLCR_STATE_PACK_H
#define MPLCR_STATE_PACK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/tar.h"
#include "checkpoint/manifest.h"
#include "checkpoint/trust.h"
#include "image/in_use.h"
#include "image/patch.h"

#define PACK_LIST "pack.json"

/* --- list.c ------------------------------------------------------------------------------------------------------ */

struct list_file {
	char *name;      /* relative to the checkpoint, at most one directory deep */
	uint64_t size;   /* bytes, holes included */
	uint64_t stored; /* at most so many of them are in the stream */
	char xxh3[DIGEST_HEX];
};

struct list {
	struct list_file *files; /* the manifest first */
	size_t n;
};

#define LIST_MAX_BYTES (16 << 20)

/* As it stands in PACK_LIST; malloc'd. */
char *list_text(const struct list *l);

/*
 * Reads one, which is hostile: names stay below the checkpoint, each is there once and none is hidden or one of ours,
 * sizes have bounds. Returns 0 or -1. To be released in any case.
 */
int list_read(struct list *l, const char *text, size_t size, struct err *e) __attribute__((warn_unused_result));

struct list_file *list_find(const struct list *l, const char *name);

/* Whether one of the files is in the directory `name`. */
bool list_has_dir(const struct list *l, const char *name);

void list_release(struct list *l);

/* --- names.c ----------------------------------------------------------------------------------------------------- */

/* A new file `name` below `dirfd`, in place of any that is there; makes its directory. A descriptor, or -1. */
int name_create(int dirfd, const char *name, struct err *e);

/* Makes the directories below `dirfd` durable, whose files are. Returns 0 or -1. */
int names_sync(int dirfd, struct err *e) __attribute__((warn_unused_result));

/* Removes what is below `dirfd` and not in the list, but for PACK_LIST. Returns 0 or -1. */
int names_keep(int dirfd, const struct list *l, struct err *e) __attribute__((warn_unused_result));

/* --- target.c ---------------------------------------------------------------------------------------------------- */

struct target {
	char *final, *partial; /* absolute */
	int dirfd;             /* of `partial`, which it locks; -1 */
	bool found;            /* an earlier run has left it */
};

/*
 * Where the checkpoint called `name` goes if the user says `where`: into that directory, if it exists and is no
 * checkpoint; else it gets this very name. Returns 0 or -1. To be released in any case.
 */
int target_choose(struct target *t, const char *where, const char *name, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Makes the directory t->partial, or takes over what an earlier run has left of it, and puts `mark` into it as the list.
 * Returns 0 or -1: the checkpoint is there already, or the name is somebody else's.
 */
int target_claim(struct target *t, const char *mark, struct err *e) __attribute__((warn_unused_result));

/* All files in it are there and durable: gives it its name. Returns 0 or -1. */
int target_publish(struct target *t, struct err *e) __attribute__((warn_unused_result));

/* Removes what was not finished. */
void target_abandon(struct target *t);

void target_release(struct target *t);

/* --- collect.c --------------------------------------------------------------------------------------------------- */

/* A file that goes into the pack. */
struct pack_file {
	char *name;               /* there */
	char *from;               /* here: an absolute path; or of the checkpoint's own files, relative to it */
	bool own;
	char *text;               /* or its content */
	uint64_t size;
	int64_t mtime_ns;
	struct image_patch patch; /* how its content differs there */
	char xxh3[DIGEST_HEX];    /* of what it is there; "" until that is known */
};

struct pack {
	const char *checkpoint;   /* as given */
	struct in_use use;
	bool trust_paths;
	int interrupt;            /* a descriptor to poll, or -1 */

	struct manifest *m;
	int dirfd;                /* of the checkpoint */
	struct trust trust;
	struct pack_file *files;  /* the manifest comes when all sums are known: pack_finish */
	size_t n;
	uint64_t bytes, done;     /* stored in all of them; packed so far: for the progress line */
};

/* Finds what belongs to p->checkpoint. Returns 0 or -1. p is to be released in any case. */
int pack_collect(struct pack *p, struct err *e) __attribute__((warn_unused_result));

/*
 * All sums are known: makes the manifest of the packed checkpoint the first of the files. Fails where an image has changed
 * meanwhile. Returns 0 or -1.
 */
int pack_finish(struct pack *p, struct err *e) __attribute__((warn_unused_result));

/* The name of the packed checkpoint, unless the user has another: NAME.ckpt, whatever the directory is called; malloc'd. */
char *pack_name(const struct pack *p);

/* Opens the file. A descriptor, the caller's, or -1. */
int pack_open(const struct pack *p, const struct pack_file *f, struct err *e);

/* Adds to what is done, shows it, and returns -1 where a signal has come. */
int pack_progress(struct pack *p, uint64_t bytes, struct err *e) __attribute__((warn_unused_result));

/* What is wrong with a file of which the sum is another than was recorded. Always returns -1. */
int pack_damaged(const struct pack_file *f, const char *sum, struct err *e);

void pack_release(struct pack *p);

/* --- fill.c, send.c, receive.c ----------------------------------------------------------------------------------- */

/* Copies all files, and the manifest, into the claimed directory of `t`, and gives it its name. Returns 0 or -1. */
int pack_fill(struct pack *p, struct target *t, struct err *e) __attribute__((warn_unused_result));

/* Writes the stream, compressed with `level`, to the descriptor `to`. Returns 0 or -1. */
int pack_send(struct pack *p, int level, int to, struct err *e) __attribute__((warn_unused_result));

/*
 * Reads an archive from `get` (base/tar.h) into the directory that `where` means, and gives it its name: t->final. Returns
 * 0, or -1: with status EXIT_PARTIAL where whole files of it are kept in t->partial, with which the next call goes on. `t`
 * is to be released in any case.
 */
int pack_receive(struct target *t, const char *where, ssize_t (*get)(void *ctx, void *buf, size_t room, struct err *e),
		 void *ctx, struct err *e) __attribute__((warn_unused_result));

#endif
