/* SPDX-License-Identifier: MIT */
/* The probes of QEMU's migration code: shared by QEMU's own log and SystemTap's. */
#ifndef MPLCR_TRACE_PROBES_H
#define MPLCR_TRACE_PROBES_H

#include "read/reader.h"

/* For log_format.begin and .end: r->own is a struct probes. */
void probes_begin(struct reader *r);
void probes_end(struct reader *r);

/* Whether the line comes from a probe of QEMU's migration code. */
bool probes_know(struct text line);

/* As log_format.read, for `NAME ARGUMENT…`. */
int probes_read(struct reader *r, struct text line, struct err *e);

/* A frame of a stack, `0xADDRESS : FUNCTION+0x… [FILE]`, that belongs to the line before. Returns whether it is one. */
bool probes_frame(struct reader *r, struct text line);

#endif
