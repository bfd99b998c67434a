/* SPDX-License-Identifier: MIT */
/*
 * All images and checkpoints below some directories, and which needs which: what tree draws, and what everything that
 * changes or removes an image asks first. It is a picture of the moment when it was read. Each file is opened once, so
 * that ten thousand images take a fraction of a second. It knows checkpoints, so its floor is theirs.
 */
#ifndef MPLCR_FOREST_H
#define MPLCR_FOREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/path_list.h"
#include "image/header/header.h"
#include "image/in_use.h"
#include "checkpoint/manifest.h"

#define FOREST_NONE SIZE_MAX

/* One image file. Two paths to one file (links) are one image. */
struct forest_image {
	char *path; /* absolute, without links */
	struct path_list names; /* others of the same file that were met: hard links, or through bind mounts */
	uint64_t links;         /* st_nlink: how many hard links it has, also elsewhere */
	uint64_t device, inode;
	uint64_t size, allocated; /* bytes: of the file, and of those stored */
	int64_t mtime_ns;
	enum image_format format; /* raw where something says that it is to be opened so, whatever is in it */
	uint64_t virtual_size;    /* bytes, 0 where it is not known */
	size_t below;             /* its backing file, or FOREST_NONE: also where that would close a cycle */
	char *below_name;         /* what its header says of it, or NULL where it has none */
	char *below_format;       /* the format that its header says, or NULL */
	char *data_file;          /* its external data file, or NULL */
	char *found_below;        /* where it is opened as raw: what its content says of its backing file, */
	char *found_data;         /* and of its data file; or NULL */
	size_t *also;             /* other files that it needs or may need: the data file, those that a json: name
				   * adds, those that only its content names */
	size_t n_also;
	char *fault;        /* what is wrong with it (bad header, backing file missing, cycle), or NULL */
	bool outside;       /* it is not below the directories: something there needs it, or is a link to it */
	size_t inside;      /* the checkpoint in whose directory it lies, or FOREST_NONE */
	size_t n_above;     /* how many images have it as backing file, or as one of their `also`, or claim it */
	enum image_use use; /* by any process */
	pid_t pid;          /* of a process that uses it so, 0 where none is known */
	char *used;         /* that in words: "the VM of process 42 writes to it"; NULL where it is unused */
};

struct forest_checkpoint {
	char *dir;          /* absolute, without links; one of its names, where bind mounts give it several */
	uint64_t device, inode;
	struct manifest *m; /* NULL where it cannot be read, or was not finished: `fault` tells */
	char *fault;        /* that, or which of its images is missing or was changed; or NULL */
	size_t *images;     /* indexes of its images: every disk's whole chain; missing ones are not there */
	size_t n_images;
};

/* A claim (claim.h) with one of the images. */
struct forest_claim {
	size_t base;
	char *user; /* absolute path */
	char *file; /* the claim */
	char *by;   /* the tool that left it, or NULL */
	bool authentic;
	bool gone;    /* it is proved that it holds no more */
	size_t image; /* the user, or FOREST_NONE where it is not known, or not to be opened */
	bool seen;    /* the image itself, or a checkpoint of the forest, names the base: the claim tells nothing new */
};

struct forest_index;

struct forest {
	struct forest_image *images;
	size_t n_images;
	struct forest_checkpoint *checkpoints;
	size_t n_checkpoints;
	size_t n_unread; /* directories that could not be read: what is in them is not known */
	struct forest_claim *claims;
	size_t n_claims;
	size_t n_claims_unread;  /* that could not be read, too: whom they protect is not known */
	struct path_list places; /* that have claims: claim.h */
	struct forest_index *index;
};

/*
 * Reads everything below the directories (a file among them stands for itself). Links to directories are not followed;
 * other filesystems are entered. A file is an image where its content or its name (.img, .raw, .ovl, .qcow2, …) says
 * so, or where an image or a checkpoint needs it. What a checkpoint directory holds is a part of that checkpoint; the
 * guest's RAM in it is no image. `use`: asks who uses the images; NULL: not asked. Returns NULL only where a directory
 * that was named cannot be read.
 *
 * An image elsewhere that has left a claim with one of these is among them, as `outside`.
 */
struct forest *forest_read(char *const *dirs, size_t n, struct in_use *use, struct err *e);

/* NULL is allowed. */
void forest_free(struct forest *f);

/*
 * Removes the claims of ours whose users are gone. It looks anew; the forest does not change.
 */
void forest_sweep_claims(const struct forest *f);

/* The image at that path, or FOREST_NONE. */
size_t forest_find(const struct forest *f, const char *path);

/* The checkpoint that is that directory, whichever of its names is given, or FOREST_NONE. */
size_t forest_checkpoint_find(const struct forest *f, const char *dir);
size_t forest_checkpoint_at(const struct forest *f, dev_t device, ino_t inode);

/* Whether image `i` is inside of that checkpoint, by any of its names. */
bool forest_image_inside(const struct forest *f, size_t i, size_t checkpoint);

/* The name of a checkpoint: the manifest's, or without one that of its directory. Borrowed. */
const char *forest_checkpoint_name(const struct forest_checkpoint *c);

/*
 * The first user of image `i`, as a clause: "it is the backing file of 'a.ovl'", "checkpoint 'x1' needs it", "the VM of
 * process 42 writes to it"; malloc'd, or NULL without any. Where one image records another as raw which has a header,
 * both readings count: what the header names is needed too. Skips images and checkpoints whose index `ignore` (may be
 * NULL) accepts.
 */
char *forest_needed_by(const struct forest *f, size_t i, bool (*ignore)(void *ctx, bool checkpoint, size_t index),
		       void *ctx);

#endif
