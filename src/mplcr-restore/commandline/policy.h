/* SPDX-License-Identifier: MIT */
/*
 * What a command line that somebody else wrote may ask for. A row for each option and sub-option that is harmless, with
 * the values it may have (policy.c); whatever no row allows is a want, which the user has to agree to. Documented for
 * users in mplcr-restore(1).
 */
#ifndef MPLCR_POLICY_H
#define MPLCR_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "checkpoint/manifest.h"

/* What is asked for: a program, a host file, a socket, a network, a device, or another option. */
struct want {
	const char *kind; /* "program", "file", "socket", "network", "device", "option" */
	char *option;     /* "-drive" */
	char *what;       /* its value, secrets masked */
};

struct wants {
	struct want *list;
	size_t n;
};

struct commandline_move; /* commandline.h */

/* The paths that a restore makes itself, and may therefore be given to QEMU: these and no others. All borrowed. */
struct policy_places {
	const struct manifest *m;
	char *const *overlays;                /* of each disk of the manifest, or NULL */
	char *const *included;                /* this run's copy of each included file */
	const struct commandline_move *moved; /* what was moved into the run directory */
	size_t n_moved;
	const char *socket;                   /* of the new QMP monitor */
};

/*
 * Adds what the command line `argv` (with the program's name, as commandline_build made it) wants; and what of the
 * `recorded` one was left out and is not harmless: who writes such a thing is to be looked at.
 */
void policy_judge(const struct policy_places *p, char *const *recorded, char *const *argv, struct wants *w);

/* Adds one. `option` and `what` are copied. */
void wants_add(struct wants *w, const char *kind, const char *option, const char *what);

void wants_release(struct wants *w);

#endif
