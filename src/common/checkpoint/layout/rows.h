/* SPDX-License-Identifier: MIT */
/* The rows of layout.h, and what they share; private to them. */
#ifndef MPLCR_CHECKPOINT_LAYOUT_ROWS_H
#define MPLCR_CHECKPOINT_LAYOUT_ROWS_H

#include "checkpoint/layout.h"

extern const struct layout layout_pages, layout_stream, layout_receiver;

/* Writes the file `name` below `dirfd` into `to`, as it is, or decompressed. Returns 0 or -1, as write_state. */
int layout_write_file(int dirfd, const char *name, int to, struct err *e) __attribute__((warn_unused_result));
int layout_write_zstd(int dirfd, const char *name, int to, struct err *e) __attribute__((warn_unused_result));

#endif
