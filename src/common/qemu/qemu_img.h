/* SPDX-License-Identifier: MIT */
/* qemu-img, which does everything that creates or rewrites an image: run, and what headers say of other files. */
#ifndef MPLCR_QEMU_IMG_H
#define MPLCR_QEMU_IMG_H

#include <stdint.h>

#include "base/err.h"

/*
 * Runs a qemu-img command, NULL-terminated with argv[0] "qemu-img", until its end, `deadline` (clock.h), or until
 * `interrupt` (-1: none) is readable. Returns 0 or -1, with its own words.
 */
int qemu_img_run(const char *const *argv, int64_t deadline, int interrupt, struct err *e)
	__attribute__((warn_unused_result));

/* An image that nothing uses, whose header is to name other files. */
struct qemu_img_header {
	const char *path;
	const char *format; /* as QEMU calls its driver */
	const char *data;   /* the file that is its external data file now, whatever its header says, or NULL */
	int64_t deadline;   /* as in qemu_img_run */
	int interrupt;
};

/*
 * Makes the header name `backing`, of format `format`, as the backing file, or, where that is NULL, none. It is not
 * opened, and no data changes (qemu-img rebase -u). Returns 0 or -1.
 */
int qemu_img_set_backing(const struct qemu_img_header *h, const char *backing, const char *format, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Makes the header name `data` as the external data file. (QEMU takes a relative name from its own working directory:
 * it should be absolute.) Returns 0 or -1.
 */
int qemu_img_set_data(const struct qemu_img_header *h, const char *data, struct err *e)
	__attribute__((warn_unused_result));

#endif
