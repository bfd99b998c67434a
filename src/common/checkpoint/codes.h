/* SPDX-License-Identifier: MIT */
/*
 * Every code that mplcr-chain verify and mplcr-state verify can print, with what it means in a line. The first letter is the
 * severity: E a fault, W a warning, N a note. mplcr-chain(1) has the same list, with what to do (section FINDINGS).
 */
#ifndef MPLCR_CHECKPOINT_CODES_H
#define MPLCR_CHECKPOINT_CODES_H

#define CODES_X(X)                                                                                                     \
	/* files */                                                                                                    \
	X(E_MISSING, "E-MISSING", "a file is not there")                                                               \
	X(E_UNREADABLE, "E-UNREADABLE", "a file cannot be read")                                                       \
	X(E_NOT_REGULAR, "E-NOT-REGULAR", "a directory, a device or a pipe is where an image should be")               \
	/* names */                                                                                                    \
	X(E_UNTRUSTED_PATH, "E-UNTRUSTED-PATH", "a name leads out of the tree of the image: it was not opened")        \
	X(E_NAME, "E-NAME", "the name of a backing file cannot be understood")                                         \
	X(W_WORKING_DIRECTORY, "W-WORKING-DIRECTORY",                                                                  \
	  "QEMU looks for a file where it is started, not beside the image")                                           \
	X(N_REMOTE, "N-REMOTE", "an image on another host, or a device, was not looked at")                            \
	X(E_REMOTE, "E-REMOTE", "QEMU cannot open an image that is not a local file")                                  \
	/* chains */                                                                                                   \
	X(E_CYCLE, "E-CYCLE", "an image is its own backing file, over others or at once")                              \
	X(E_DEPTH, "E-DEPTH", "the chain has more images than are allowed")                                            \
	X(E_NO_FORMAT, "E-NO-FORMAT", "the format of a backing file is not recorded: QEMU guesses it by content")      \
	X(E_FORMAT, "E-FORMAT", "an image has another format than recorded")                                           \
	X(N_SMALLER, "N-SMALLER", "an overlay is smaller than its backing file")                                       \
	X(W_LARGER, "W-LARGER", "an overlay is larger than its backing file")                                          \
	X(W_BACKING_NEWER, "W-BACKING-NEWER", "a backing file was modified after its overlay")                         \
	X(W_OVERLAY_AHEAD, "W-OVERLAY-AHEAD",                                                                          \
	  "an unfinished checkpoint froze an image, and its overlay holds what the guest wrote since")                 \
	X(E_BACKING_WRITTEN, "E-BACKING-WRITTEN", "somebody has an image open for writing that has overlays")          \
	/* claims */                                                                                                   \
	X(N_CLAIM_GONE, "N-CLAIM-GONE", "a claim says that an image is needed elsewhere, which is not so any more")    \
	X(W_NO_CLAIM, "W-NO-CLAIM", "an image is needed elsewhere, and no claim with it says so")                      \
	/* headers */                                                                                                  \
	X(E_HEADER, "E-HEADER", "a header is bad")                                                                     \
	X(E_TRUNCATED, "E-TRUNCATED", "an image ends too early")                                                       \
	X(E_FEATURE, "E-FEATURE", "an image uses features that QEMU does not know")                                    \
	X(E_CORRUPT, "E-CORRUPT", "QEMU has marked an image as corrupt")                                               \
	X(W_DIRTY, "W-DIRTY", "an image was not closed, and its reference counts are out of date")                     \
	X(E_PARSERS_DIFFER, "E-PARSERS-DIFFER", "two parsers read the same header differently")                        \
	X(N_SECOND_OPINION, "N-SECOND-OPINION", "the second parser gave no answer")                                    \
	X(N_OTHER_FORMAT, "N-OTHER-FORMAT", "only the name of this format is known")                                   \
	/* what was recorded */                                                                                        \
	X(E_BACKING_CHANGED, "E-BACKING-CHANGED", "an image was changed since it was recorded")                        \
	X(E_SEAL, "E-SEAL", "the seal of an image cannot be read")                                                     \
	X(E_GUEST_DATA, "E-GUEST-DATA", "a guest reads other data than when the image was sealed")                     \
	/* --deep */                                                                                                   \
	X(E_CORRUPTIONS, "E-CORRUPTIONS", "qemu-img check finds an image damaged")                                     \
	X(E_NOT_CHECKED, "E-NOT-CHECKED", "an image could not be checked, or not to its end")                          \
	X(W_LEAKS, "W-LEAKS", "an image has clusters that nothing uses")                                               \
	X(N_IN_USE, "N-IN-USE", "a VM writes to an image: it was not checked")                                         \
	X(N_NOT_CHECKED, "N-NOT-CHECKED", "this image was not checked")                                                \
	/* checkpoints */                                                                                              \
	X(E_CHECKPOINT, "E-CHECKPOINT", "a checkpoint cannot be read")                                                 \
	X(E_PARTIAL, "E-PARTIAL", "a checkpoint was not finished")                                                     \
	X(E_STATE_MISSING, "E-STATE-MISSING", "a file of a checkpoint is not there")                                   \
	X(E_STATE_SIZE, "E-STATE-SIZE", "a file of a checkpoint has another size than recorded")                       \
	X(E_STATE_SUM, "E-STATE-SUM", "a file of a checkpoint has other content than recorded")                        \
	X(E_STATE_INCOMPLETE, "E-STATE-INCOMPLETE", "a checkpoint does not contain the whole state of the VM")         \
	X(E_STATE_STREAM, "E-STATE-STREAM", "a migration stream is damaged, or does not fit the manifest")             \
	X(E_CHAIN_DIFFERS, "E-CHAIN-DIFFERS", "a backing file is another than the checkpoint recorded")                \
	X(E_DISK_SIZE, "E-DISK-SIZE", "a frozen image is of another size than the disk was")                           \
	X(E_FROZEN_ACTIVE, "E-FROZEN-ACTIVE", "the VM went on writing to the image that is said to be frozen")         \
	X(N_MOVED, "N-MOVED", "images of a checkpoint were moved; their headers name where they were")                 \
	X(N_MERGING, "N-MERGING", "a running VM merges layers below a frozen image, or was to")                        \
	X(N_LEFT_OUT, "N-LEFT-OUT", "disks are not in the checkpoint, at the user's request")                          \
	X(N_RECEIVER, "N-RECEIVER", "the state of a checkpoint is in another QEMU, not in files")

#endif
