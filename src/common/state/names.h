/* SPDX-License-Identifier: MIT */
/* The names of the files of a saved state, below the directory of its checkpoint. */
#ifndef MPLCR_STATE_NAMES_H
#define MPLCR_STATE_NAMES_H

/* Layout pages: everything but the pages of the RAM blocks that have a file each, DIRECTORY/BLOCK. */
#define STATE_DEVICES "devices.vmstate"
#define STATE_RAM_DIR "ram"

/* Layout stream: QEMU's stream as it came, or as zstd frames. */
#define STATE_STREAM "state.vmstate"
#define STATE_STREAM_ZSTD "state.vmstate.zst"

#endif
