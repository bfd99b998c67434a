/* SPDX-License-Identifier: MIT */
/* Whether a guest has written to an overlay: what its times say may be lost in a power cut, or made up. */
#ifndef MPLCR_IMAGE_HAS_DATA_H
#define MPLCR_IMAGE_HAS_DATA_H

#include <stdbool.h>

/*
 * Whether the image at `path` may hold data of its own: a qcow2 image with clusters of data or internal snapshots (QEMU
 * docs/interop/qcow2.txt: an entry of the first level of its tables that is not 0), anything else that is not empty, and what
 * cannot be read. A file that is not there holds none. Links are not followed.
 */
bool image_has_data(const char *path);

#endif
