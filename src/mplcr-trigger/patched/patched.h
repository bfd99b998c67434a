/* SPDX-License-Identifier: MIT */
/*
 * All that the rest of the tool knows of the MPLCR-patched QEMU, but for its row in the table of engines. In this
 * folder: its engine (engine.c), its commands (commands.c), its live stage brought to an end (steer.c), overlays that
 * it makes at the pause (queue.c), whether it has made them (settle.c), its pause, in which it waits for us (script.c),
 * what one QEMU process was given and keeps (kept.c), and a live stage that the user ends (end_live.c).
 */
#ifndef TRIGGER_PATCHED_H
#define TRIGGER_PATCHED_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct changed_patch;
struct changes;
struct cli;
struct qmp;

/* Whether anything of it is on. */
bool patch_any(const struct changed_patch *p);
/* What of it is on, for the journal of the checkpoint; and back: on the VM whose socket is `socket`, absolute. */
json_t *patch_to_json(const struct changed_patch *p);
void patch_from_json(struct changed_patch *p, const json_t *json, const char *socket);
/* Removes the directory that makes its script run the user's command, and the socket for end-live. */
void patch_remove_files(struct changes *c);
/* Switches off what is on. Returns 0 or -1. */
int patch_off(struct changes *c, struct qmp *q, struct err *e);
/* A migration has begun, and has taken the settings that were made for it. */
void patch_settings_taken(struct changes *c);
/* Whether overlays are queued in it, which its next checkpoint makes. */
enum patch_queue { PATCH_QUEUE_EMPTY, PATCH_QUEUE_IN_DOUBT, PATCH_QUEUE_LEFT };

/*
 * Notes which of the overlays that were queued QEMU has made (settle.h), before they are taken back. Returns what is still
 * queued; the other warns of it.
 */
enum patch_queue patch_settle(struct qmp *q);
void patch_queue_tell(enum patch_queue queue);
/* Whether its live stage spins for ever: nothing ends that migration, or its stream. */
bool patch_is_stuck(const struct changes *c);

/* mplcr-trigger end-live (base/options.h). */
extern const struct cli verb_end_live;

#endif
