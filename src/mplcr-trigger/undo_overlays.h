/* SPDX-License-Identifier: MIT */
/* The part of the undo that is about the overlays of the list of changes. */
#ifndef TRIGGER_UNDO_OVERLAYS_H
#define TRIGGER_UNDO_OVERLAYS_H

struct changes;
struct qmp;
struct remains;

/*
 * Commits the overlays that the VM writes to into their backing files, and removes those that nobody uses any more: a
 * file that any process has open or mapped stays, QEMU's own included.
 */
void undo_overlays(const struct changes *c, struct qmp *q, struct remains *r);

/* The same where QEMU does not answer any more: one that is in use, or that the guest wrote to, stays. */
void undo_overlays_without_vm(const struct changes *c, struct remains *r);

#endif
