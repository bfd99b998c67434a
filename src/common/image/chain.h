/* SPDX-License-Identifier: MIT */
/*
 * Backing chains, read from the images themselves: the top first, each next one the backing file of the one before, to
 * the base or to where it breaks. A relative name is resolved against the directory of the image that names it (QEMU
 * docs/system/qemu-block-drivers; block.c, bdrv_get_full_backing_filename). Nothing is written, no lock is taken, and
 * any content ends: cycles are found by device and inode.
 */
#ifndef MPLCR_CHAIN_H
#define MPLCR_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/header/header.h"
#include "image/in_use.h"

#define CHAIN_MAX_DEPTH 512 /* images, unless the caller says otherwise */

enum chain_state {
	CHAIN_OK,          /* the header was read; it may still be bad: header.fault */
	CHAIN_MISSING,     /* no such file; `sys` tells */
	CHAIN_UNREADABLE,  /* it is there and cannot be read; `sys` tells */
	CHAIN_NOT_REGULAR, /* a directory, a device, a pipe: not opened */
	CHAIN_REMOTE,      /* a protocol: not opened */
	CHAIN_BAD_NAME,    /* a name that cannot be parsed: `why` tells */
	CHAIN_CYCLE,       /* an image that is further up, too: index `cycle_to` */
	CHAIN_TOO_DEEP,    /* the limit: not opened */
	CHAIN_REFUSED,     /* the caller did not allow it: not opened */
};

struct chain_image {
	char *name;     /* as given, or as the image above names it */
	char *path;     /* absolute, links as they are; NULL where it is not a local file */
	char *protocol; /* "nbd", … for CHAIN_REMOTE, else NULL */
	enum chain_state state;
	int sys;                  /* errno, or 0 */
	char why[128];            /* for CHAIN_BAD_NAME */
	size_t cycle_to;          /* for CHAIN_CYCLE */
	bool json;                /* the image above names it with json: */
	bool from_cwd;            /* its name is relative to QEMU's working directory: "file:x", or in json: */
	char *recorded_format;    /* what the image above says its format is, or NULL: it would be probed */
	enum image_format found;  /* the format by its content; equals header.format */
	enum image_format format; /* the format that QEMU would open it as: the recorded one, else the one found */
	uint64_t device, inode;
	uint64_t size, allocated; /* bytes: of the file, and of those stored */
	int64_t mtime_ns;
	unsigned mode;              /* st_mode */
	bool is_link;               /* its path is a link to it */
	char *data_name;            /* its external data file, as it is named, or NULL */
	char *data_path;            /* its absolute path, or NULL where it is none on this host */
	bool data_from_cwd;         /* it is relative to QEMU's working directory, as QEMU takes names in headers for */
	enum image_use use;         /* with chain_options.use: by others; readers by their locks only */
	bool may_change;            /* the caller's: it is known that somebody writes to it, and right */
	struct image_header header; /* of an image that QEMU would open as raw: format raw, no backing file */
};

struct chain {
	struct chain_image *images;
	size_t n; /* 1 at least */
};

struct chain_options {
	const char *format; /* of the top image, where the caller knows it ("raw", "qcow2"), or NULL */
	size_t max_depth;   /* images; 0 for CHAIN_MAX_DEPTH */
	struct in_use *use; /* asks whether others write to the images; NULL: not asked */
	bool end; /* looks for images that are cut off (image_header_check_end), but for those being written */
	/*
	 * Whether the image at that absolute path, which is a symbolic link or not, may be opened; NULL: all. The top
	 * image is not asked for.
	 */
	bool (*may_open)(void *ctx, const char *path, bool is_link);
	/* Called with each image as soon as it was read, the top first, and the first `n` bytes of it; may be NULL. */
	void (*on_image)(void *ctx, const struct chain_image *image, const uint8_t *head, size_t n);
	void *ctx; /* of both */
};

/* As chain_read, with more to choose. */
struct chain *chain_read_with(const char *path, const struct chain_options *options) __attribute__((returns_nonnull));

/*
 * Reads the chain of the image at `path` (a path, not a protocol name, whatever is in it). `format` is what the
 * caller knows of the top's format ("raw", "qcow2"), or NULL. `max_depth`: images, 0 for CHAIN_MAX_DEPTH. Never NULL.
 */
struct chain *chain_read(const char *path, const char *format, size_t max_depth) __attribute__((returns_nonnull));

/* Forgets all images but the first `n`. */
void chain_truncate(struct chain *c, size_t n);

void chain_free(struct chain *c);

/*
 * Whether the chain is whole: every image a regular file with a good header, down to one without a backing file.
 * Returns 0, or -1 with what is wrong with the first that is not.
 */
int chain_whole(const struct chain *c, struct err *e) __attribute__((warn_unused_result));

/* Refuses an image that is in use, itself or its data file: as in_use_refuse. */
int chain_image_refuse_used(const struct chain_image *image, struct in_use *use, bool written, struct err *e)
	__attribute__((warn_unused_result));

static inline void cleanup_chain(struct chain **c)
{
	chain_free(*c);
}

#define _cleanup_chain_ __attribute__((cleanup(cleanup_chain)))

#endif
