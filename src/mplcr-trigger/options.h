/* SPDX-License-Identifier: MIT */
/* The user's wishes: the command line of mplcr-trigger, parsed and checked. */
#ifndef TRIGGER_OPTIONS_H
#define TRIGGER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/options.h"
#include "base/path_list.h"
#include "checkpoint/layout.h"
#include "freeze/freeze.h"
#include "patched/mplm.h"
#include "qemu/disk_choice.h"

struct engine;

struct options {
	const char *socket;
	const char *name;                  /* NULL: the next free one */
	const char *dir;                   /* NULL: beside the image of the first disk */
	const struct engine *engine;       /* NULL: auto */
	const struct layout *layout;       /* where the state goes */
	int zstd_level;                    /* 0: not compressed */
	const char *parent;                /* checkpoint whose memory it is to begin with; NULL: one that is found */
	bool no_parent;                    /* with none */
	const struct freeze_method *disks; /* NULL: auto */
	struct disk_choices devices;       /* --device */
	struct path_list leave_out; /* --leave-out: writable disks not to freeze */
	struct path_list include;   /* --include, --include-from: as given */
	uint64_t max_bandwidth;     /* bytes per second, 0: no limit */
	uint64_t max_pause_ms;      /* 0: no limit */
	uint64_t timeout_ms;        /* for the whole checkpoint, 0: no limit */
	uint64_t passes;            /* precopy: passes before the pause limit is relaxed */
	bool accept_unsafe_precopy;
	struct mplm mplm;
	bool max_rate;         /* the patched QEMU: no limit at all */
	bool extend_live;      /* the live stage lasts until it is ended */
	uint64_t extend_ms;    /* or this long, 0: until it is ended */
	const char *uri;       /* destination of the state instead of the checkpoint, or NULL */
	const char *at_freeze; /* shell command to run in the pause, or NULL */
	uint64_t at_freeze_ms; /* its time limit */
	uint64_t keep;           /* --keep: checkpoints of the VM, this one included; 0: not given */
	const char *keep_within; /* --keep-within, as given, or NULL */
	bool dry_run;
	bool leave_paused;
	bool json;
};

/* Before any option is read. */
/* clang-format off */
#define OPTIONS_DEFAULT { .disks = FREEZE_DEFAULT, .passes = 8, .at_freeze_ms = 5000, .mplm = MPLM_DEFAULT }
/* clang-format on */

/* The rows of its table (base/options.h), for a struct options. */
extern const struct cli_option trigger_options[];

/* Takes the operands, and checks that all options go together. Returns 0 or -1. */
int options_check(struct options *o, int n_operands, char **operands, struct err *e);
void options_release(struct options *o);

#endif
