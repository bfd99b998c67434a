/* SPDX-License-Identifier: MIT */
/*
 * Claims: who changes images in one directory cannot see an overlay in another that needs them. So whoever makes
 * such an overlay leaves a claim with its backing file, the base: a small file in .mplcr-claims/ in the base's
 * directory, one for each base and user of it. A base inside of a checkpoint, which never changes, has its claims
 * beside the checkpoint.
 *
 * Its form, JSON (mplcr-checkpoint(5)): "schema"; "base", relative to the directory that .mplcr-claims/ is in, so
 * that a moved directory keeps its claims; "user", an absolute path; of both the device and inode, and
 * "base_filesystem" and "filesystem" (base/filesystem_number.h), since devices get other numbers; by which handle the kernel
 * finds the user again; "host"; "by", the tool; "mac", by the key of
 * base/key.h. A path that is not UTF-8 is in hexadecimal, "base_hex" or "user_hex".
 *
 * A claim holds until it is proved not to: its user is not there any more, though its filesystem is, or is an image
 * whose whole chain does not lead to the base. One that this key did not sign is data of a stranger: it protects
 * the base as long as there is any file by the name of its user, which is not opened for that; it permits nothing,
 * and stays.
 */
#ifndef MPLCR_CLAIM_H
#define MPLCR_CLAIM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CLAIMS_DIR ".mplcr-claims"

struct claim {
	char *file; /* the claim itself: absolute path */
	char *base; /* absolute: where it is by now, if it was not renamed */
	char *user; /* absolute: where it is by now, as far as that can be found out */
	char *by;   /* the tool that made it, or NULL */
	char *host;
	uint64_t base_device, base_inode, base_filesystem; /* the device by its number of today */
	uint64_t user_device, user_inode, filesystem;
	char *handle; /* of the user, for open_by_handle_at(2), in hexadecimal; or NULL */
	int handle_type;
	bool authentic; /* signed with this user's key */
};

struct claims {
	struct claim *list;
	size_t n;
	size_t n_unread; /* files, or the directory itself, that could not be read: whom they protect is not known */
};

/* Whether the image `base` keeps its claims elsewhere than above `user`, both absolute: whether `user` needs one. */
bool claim_needed(const char *base, const char *user);

/*
 * Leaves the claim of the image at `user` with the image at `base`, both of which exist; does nothing where none is
 * needed. It is seen by others at once, and made durable only with `durable`, or by claim_settle. `by`: our tool.
 * Returns 0, or -1: the claim cannot be left, which is no reason not to go on.
 */
int claim_make(const char *base, const char *user, const char *by, bool durable, struct err *e)
	__attribute__((warn_unused_result));

/* The same, durable, of the image at `image` with the backing file that its header names, if any and there. */
int claim_make_of(const char *image, const char *by, struct err *e) __attribute__((warn_unused_result));

struct manifest;

/*
 * The same of a checkpoint, whose disks may have their images elsewhere: its manifest is the user. Of images in one
 * directory that follow each other the first gets the claim.
 */
int claim_make_checkpoint(const struct manifest *m, const char *by, struct err *e) __attribute__((warn_unused_result));

/* Makes the claim durable, if there is one. Returns 0 or -1. */
int claim_settle(const char *base, const char *user, struct err *e) __attribute__((warn_unused_result));

/* Takes our own claim back, if there is one; neither file need exist any more. */
void claim_drop(const char *base, const char *user);

/* The same of the image with the backing file that its header names. */
void claim_drop_of(const char *image);

/* Whether there is one, whoever left it. */
bool claim_is_left(const char *base, const char *user);

/* Whether an authentic claim says that this very image `user` was made on this very image `base`. */
bool claim_vouches(const char *base, const char *user);

/* The directory that the claims with the image at the absolute path `base` are in, without CLAIMS_DIR; malloc'd. */
char *claim_place(const char *base);

/* Reads the claims in `place`/CLAIMS_DIR; none where that does not exist. To be released in any case. */
void claims_read(struct claims *c, const char *place);
void claims_release(struct claims *c);

/* What a claim file in `place` says, into `c`. Returns 0, or -1 where it is malformed. To be released in any case. */
int claim_parse(struct claim *c, const json_t *json, const char *place);
void claim_release(struct claim *c);

/* Whether it is proved that the user does not need the base any more. */
bool claim_is_gone(const struct claim *c);

/* Removes those of our own claims in `place` whose user is gone, and the directory if it is empty then. */
void claims_sweep(const char *place);

#endif
