/* SPDX-License-Identifier: MIT */
/*
 * The layouts of a checkpoint: where the state of the VM is, and in which form.
 *
 *   pages     guest memory in sparse files, which a QEMU can map, everything else in a stream of its own
 *   stream    QEMU's stream in one file, as it came or compressed
 *   receiver  in no file: it was sent into a QEMU that waits with it, paused
 *
 * Each is one row of answers, in a file of its own in layout/. Whoever wants to know something of a layout asks the
 * row; nobody asks which layout it is. A new one is a file with a row, a line in layout.c and a line above.
 */
#ifndef MPLCR_CHECKPOINT_LAYOUT_H
#define MPLCR_CHECKPOINT_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/options.h"
#include "checkpoint/manifest.h"
#include "state/join.h"
#include "state/sink.h"

/* What a sink is told (sink.h). Borrowed. */
struct layout_sink {
	const char *const *ram; /* the names of RAM blocks that may get files of their own */
	size_t n_ram;
	uint64_t limit;         /* the largest plausible sum of all block lengths, bytes */
	int zstd_level;         /* 0: not compressed */
	const struct manifest *parent; /* whose memory the new one may begin with, or NULL */
	bool parent_wanted;            /* fail where it cannot */
};

/* Memory that a QEMU has mapped from `file`; in the ranges it is not as in the file any more, and has to be loaded. */
struct layout_mapped {
	const struct manifest_file *file;
	const struct stream_range *ranges;
	size_t n_ranges;
};

/* A command that prints the state, as a QEMU loads it: COMMAND 'CHECKPOINT/FILE'. */
struct layout_command {
	const char *command, *file;
};

struct layout {
	const char *name;          /* in manifests, and for the user */
	const char *about;         /* a few words for whoever chooses one */
	bool is_elsewhere;         /* the state is in no file, and the manifest's `receiver` says where it was sent */
	bool can_compress;
	bool can_begin;            /* memory may begin with that of an earlier checkpoint of the layout */
	const char *why_eager;     /* why a restore cannot be lazy, or NULL where the layout lets it */

	/* Opens the sink for a new checkpoint (sink.h). NULL where nothing is stored. */
	struct sink *(*open_sink)(int dirfd, const struct layout_sink *s, struct err *e);

	/* What the manifest ought to list and does not: the `n`th such thing, from 0 on; NULL where there is none. */
	const char *(*missing)(const struct manifest *m, size_t n);

	/*
	 * Writes the whole state of the checkpoint directory `dirfd` into `to` (file, pipe or socket), as a stream that any
	 * QEMU loads. Returns 0 or -1; e->sys is EPIPE where the other end reads no more. NULL where nothing is stored.
	 */
	int (*write_state)(const struct manifest *m, int dirfd, int to, struct err *e);

	/* The same for a QEMU that has mapped the memory. NULL where that cannot be. */
	int (*write_unmapped)(const struct manifest *m, int dirfd, const struct layout_mapped *mapped, int to,
			      struct err *e);

	/*
	 * The command that prints what write_state or, for a QEMU that has mapped the memory, write_unmapped writes (with no
	 * ranges). Returns false where no command of a shell can. NULL where nothing is stored.
	 */
	bool (*shell)(const struct manifest *m, bool mapped, struct layout_command *c);
};

/* The layout of that name, or NULL. */
const struct layout *layout_named(const char *name);

/* The one that a checkpoint gets where nobody chooses; the one of a state that is sent elsewhere. */
const struct layout *layout_default(void);
const struct layout *layout_elsewhere(void);

/*
 * Those that can be chosen, because they store the state: the `i`th as a word of an option (base/options.h), and the
 * names of all, "pages or stream", malloc'd.
 */
struct cli_word layout_word(size_t i);
char *layout_choices(void);

/* Whether the manifest lists all that its layout needs. Whether the files are there, manifest_check_files knows. */
bool layout_is_complete(const struct manifest *m);

/* Whether a QEMU may map the guest's memory instead of loading it. */
bool layout_can_be_lazy(const struct manifest *m);

#endif
