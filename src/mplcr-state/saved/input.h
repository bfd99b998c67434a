/* SPDX-License-Identifier: MIT */
/*
 * A file with a migration stream, as QEMU wrote it (`migrate exec:cat > FILE`) or libvirt (`virsh save`): plain, or
 * compressed with gzip, bzip2, xz or zstd, which their programs undo; or with the pages in places of their own (state/mapped.h),
 * which a thread puts back into a stream.
 *
 * libvirt's file begins with 92 bytes in the byte order of its host: "LibvirtQemudSave", u32 version (2), u32 length of
 * what follows them, u32 was running, u32 compression (0 none, 1 gzip, 2 bzip2, 3 xz, 5 zstd, 6 mapped-ram), u32 offset of
 * a cookie, 14 unused u32. Behind them come the XML of the domain, a NUL, a cookie, and the stream. While it is being
 * written, the file begins with "LibvirtQemudPart" instead. (libvirt: src/qemu/qemu_saveimage.h.)
 */
#ifndef MPLCR_STATE_INPUT_H
#define MPLCR_STATE_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/process.h"

struct input {
	const char *form;   /* "stream", "libvirt", "mapped-ram" */
	const char *packed; /* the program that undoes the compression: "zstd"; NULL: it is plain */
	char *domain;       /* libvirt's XML, or NULL */
	bool was_running;   /* as libvirt noted it */
	int file;           /* the file itself */
	uint64_t base;      /* where the stream, or what is packed, begins in it */
	int fd;             /* reads the stream from its beginning; `file` where it is plain */
	bool seekable;      /* `fd` is the file: pages can be read again at their offsets */
	struct process unpack;
	struct input_thread *thread; /* that turns mapped-ram into a stream, or NULL */
};

/* Opens what `file`, taken over, holds; `name` is for messages. Returns 0 or -1; input_close in any case. */
int input_open(struct input *in, int file, const char *name, struct err *e) __attribute__((warn_unused_result));

/* Call when `fd` was read to its end: whether all of it was unpacked. Returns 0 or -1. */
int input_end(struct input *in, struct err *e) __attribute__((warn_unused_result));

void input_close(struct input *in);

#endif
