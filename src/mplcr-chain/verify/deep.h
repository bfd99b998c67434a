/* SPDX-License-Identifier: MIT */
/*
 * verify --deep: what needs the whole of an image to be read. Every image of all chains is looked at by `qemu-img
 * check`, once and without those below it; where a seal holds the sum of a guest's data, these are read and compared.
 * As many at once as there are processors, each with limits. Nothing is locked, and so no VM disturbed; an image that
 * one writes to cannot be checked, and nothing is said of it but that.
 */
#ifndef MPLCR_CHAIN_DEEP_H
#define MPLCR_CHAIN_DEEP_H

#include "base/err.h"
#include "verify/verify.h"

/* Looks at the images of v->chains, of which the fast looks are done. Returns 0, or -1 where it was interrupted. */
int deep_verify(struct verify *v, struct err *e);

#endif
