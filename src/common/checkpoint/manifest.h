/* SPDX-License-Identifier: MIT */
/*
 * The manifest of a checkpoint, checkpoint.json: what mplcr-trigger writes and prints with --json, and what
 * mplcr-restore reads. Documented for users in mplcr-checkpoint(5).
 *
 * Paths of images are absolute. Those below the directory that holds the checkpoint directory are also stored relative
 * to it, and manifest_load resolves that form first, so that a whole tree can be moved: every path in a loaded manifest
 * is the one to use now. The images of a packed checkpoint are files of its own, wherever it is.
 *
 * All strings and arrays are owned by the manifest; manifest_free frees them. Strings may be NULL where noted.
 */
#ifndef MPLCR_MANIFEST_H
#define MPLCR_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/key.h"
#include "checkpoint/names.h"
#include "image/identity.h"
#include "state/sink.h"

#define MANIFEST_SCHEMA "mplcr.trigger.checkpoint/1"

/* The largest checkpoint.json that is read. */
#define MANIFEST_MAX_BYTES (16 << 20)

/* One file of the checkpoint directory. */
struct manifest_file {
	char *name;           /* relative to the checkpoint directory, checked on load: no "..", not absolute */
	uint64_t size;        /* bytes */
	char *xxh3;           /* XXH3-128 of the content, hexadecimal */
	char *block;          /* the RAM block whose pages it holds, or NULL */
};

/* One image of a chain. */
struct manifest_image {
	char *path;           /* absolute */
	char *recorded;       /* loaded only: the path that it had at the checkpoint, which the command line may name */
	char *format;         /* "qcow2", "raw", …, as QEMU calls its driver */
	struct identity id;
	bool moved;           /* loaded only: it is not at the path that was recorded, and headers may still name that */
	struct manifest_file inside; /* loaded only: of a packed checkpoint, the file of it that the image is; else its
				      * name is NULL */
	bool merging;         /* loaded only: a running VM merges layers, and the file may change (merging.h) */
	size_t item;          /* loaded only: its place in the list of the JSON */
	struct manifest_image *data; /* its external data file, an image of format "raw"; NULL where it has none */
};

/* How the content of a disk was kept as it was at the instant of the checkpoint. */
enum manifest_method {
	MANIFEST_OVERLAY,   /* the VM went on with a new overlay; the image that it wrote to before is frozen */
	MANIFEST_REFLINK,   /* the VM goes on with the image; a clone of it in the checkpoint is frozen */
	MANIFEST_SUBVOLUME, /* the same with the image in a snapshot of its btrfs subvolume */
	MANIFEST_NONE,      /* it was not frozen: the VM could not write it */
};

/* One disk of the VM. */
struct manifest_disk {
	char *device;         /* the name that users see: block backend name or, without one, the user's node name */
	char *node;           /* QEMU's node name of the frozen image at the checkpoint */
	char *qdev;           /* id or QOM path of the guest's device, or NULL */
	uint64_t virtual_size; /* bytes the guest sees */
	bool read_only;       /* the VM could not write it: no overlay was made, restore uses the image as it is */
	struct manifest_image
		*chain; /* chain[0] is the frozen image, each next one the backing file of the one before */
	size_t n_chain;
	enum manifest_method method;
	char *active;         /* what the VM went on with: the overlay; with the other methods the image that it wrote to
			       * before, too; the frozen image itself where the disk is read-only */
	char *active_recorded; /* loaded only: the path that it had at the checkpoint */
};

/* A file of the user's that was copied in the pause, because it must be of the same instant. */
struct manifest_included {
	char *path;           /* absolute, of the original */
	char *recorded;       /* loaded only: the path that it had at the checkpoint */
	struct manifest_file copy; /* in the checkpoint directory */
};

/* One RAM block of the VM. */
struct manifest_block {
	char *name;
	uint64_t length;      /* bytes */
};

/* Memory that began as that of an earlier checkpoint, on which it does not depend; pages of the RAM blocks that did. */
struct manifest_incremental {
	char *parent;         /* absolute path of that checkpoint then; NULL: memory was saved whole */
	uint64_t same, changed, zeroed;
};

struct layout;

struct manifest {
	json_t *json;         /* what was read, or written; or NULL */
	enum key_verdict verdict; /* loaded only: whether the user of this host signed it */
	bool adopted;         /* signed by a user who did not make it: manifest_adopt */
	char *key_fault;      /* why that cannot be told, in words, or NULL */
	char *name;
	char *checkpoint;     /* absolute path of the checkpoint directory */
	char *created;        /* UTC, RFC 3339 with milliseconds */
	char *parent;         /* name of the VM's previous checkpoint, or NULL */
	struct manifest_incremental incremental;
	char *engine;         /* that took it, by its name of mplcr-trigger --engine */
	const struct layout *layout; /* where the state is, and in which form (layout.h) */
	char *receiver;       /* where it is in no file, but in a paused QEMU: the URI that it was sent to,
			       * "tcp:HOST:PORT"; else NULL */
	char *run_state;      /* of the VM when it was asked for a checkpoint: "running", "paused", … */
	bool saved_paused;    /* the state says "paused": a restore has to let the guest run. Where an older manifest
			       * does not tell: true, which does no harm to a guest that runs */
	bool described;       /* the state ends with QEMU's description of it. Where an older manifest does not tell:
			       * false, which readers of the state take as "perhaps" */
	double pause_ms;      /* length of the guest's pause; 0 if it was paused anyway */
	double total_ms;
	uint64_t state_bytes; /* bytes of the migration stream */
	json_t *phases;       /* array of {name, ms}, or NULL */
	json_t *prediction;   /* what auto expected and chose, or NULL */

	int qemu_version;     /* as qmp_version gives it */
	char *qemu_package;   /* QEMU's package string, "" where it has none */
	char *qemu_binary;    /* path of the executable, or NULL where it could not be known */
	struct identity qemu_id; /* of the executable, valid where qemu_binary is not NULL */
	char *machine;        /* machine type, resolved: "pc-i440fx-7.2" */
	char *accelerator;    /* "kvm" or "tcg" */
	char *cpu_flags;      /* of the host, with KVM (qemu/cpu_flags.h), or NULL */
	uint64_t memory;      /* guest memory, bytes */
	char **argv;          /* QEMU's command line, NULL-terminated; NULL where it could not be known */
	char *cwd;            /* QEMU's working directory, or NULL */

	struct manifest_block *blocks;
	size_t n_blocks;
	struct manifest_file *files;
	size_t n_files;
	struct manifest_disk *disks;
	size_t n_disks;
	struct manifest_included *included;
	size_t n_included;
	char **left_out; /* names of writable disks that were not frozen, by the user's wish: their content is not in
			  * the checkpoint; NULL-terminated, or NULL where there are none */
};

/*
 * Reads and checks DIR/checkpoint.json. `dir` is the checkpoint directory, with or without slashes at its end.
 * Everything in it is taken as hostile: types, ranges, file names. Returns a manifest or NULL.
 */
struct manifest *manifest_load(const char *dir, struct err *e);

/* The same of one that has not its name yet, NAME.ckpt.partial, which manifest_load refuses. */
struct manifest *manifest_load_partial(const char *dir, struct err *e);

/*
 * Signs the manifest that was loaded as `m`, and that it was adopted, with this user's key, which is made if there is none. If the file says
 * something else by now, nothing is signed. Returns 0 or -1.
 */
int manifest_adopt(const struct manifest *m, struct err *e) __attribute__((warn_unused_result));

/* Lists the RAM blocks and files that a sink has written, with room for one file more. */
void manifest_set_state(struct manifest *m, const struct sink_result *written);

/*
 * The JSON form, the caller's. `checkpoint` must be set: paths below its parent directory are stored relative as well.
 */
json_t *manifest_to_json(const struct manifest *m);

/*
 * The JSON form as text, as it stands in a checkpoint, signed with `key` (NULL: it gets no signature). malloc'd; NULL
 * with an error.
 */
char *manifest_text(const json_t *json, const struct key *key, struct err *e);

/* Writes that text into the new file `path` below `dirfd`, durably. Returns 0 or -1. */
int manifest_write(const json_t *json, const struct key *key, int dirfd, const char *path, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Whether this user's key signed the JSON of a manifest. Where there is a key that cannot be used, *fault (may be NULL)
 * says why, malloc'd; else it is NULL.
 */
enum key_verdict manifest_verify(const json_t *json, char **fault);

void manifest_free(struct manifest *m);

/* Releases what one image of a chain holds. */
void manifest_image_release(struct manifest_image *image);

/*
 * Calls `each` with every file of the checkpoint directory that the manifest lists, included ones and packed images too
 * (but not those that a running VM merges), until it returns anything but 0, which is returned.
 */
int manifest_each_file(const struct manifest *m, int (*each)(void *ctx, const struct manifest_file *file), void *ctx);

/*
 * Checks that the files of the checkpoint are there and of their recorded sizes, and, with `sums`, that their contents
 * have the recorded sums. `dir` is the checkpoint directory. Returns 0 or -1.
 */
int manifest_check_files(const struct manifest *m, const char *dir, bool sums, struct err *e)
	__attribute__((warn_unused_result));

/* "overlay", "reflink", "subvolume", "none". */
const char *manifest_method_name(enum manifest_method method);
/* The method of that name, or -1. */
int manifest_method_named(const char *name);
/* Whether the VM went on with the image that it wrote to before, and no new overlay. */
bool manifest_method_keeps_image(enum manifest_method method);

/* What can be wrong with one file. */
enum manifest_fault { MANIFEST_SOUND, MANIFEST_MISSING, MANIFEST_SIZE, MANIFEST_SUM };

/* The same of one file, for those who want to hear of all; *e says what is wrong. */
enum manifest_fault manifest_check_file(const struct manifest_file *file, const char *dir, bool sums, struct err *e)
	__attribute__((warn_unused_result));

/* The file named `name`, or the one that holds the pages of RAM block `block`; NULL where there is none. */
const struct manifest_file *manifest_file_named(const struct manifest *m, const char *name);
const struct manifest_file *manifest_file_of_block(const struct manifest *m, const char *block);

/* Checks that no image of any disk was changed since the checkpoint. Returns 0 or -1 with the first that was. */
int manifest_check_images(const struct manifest *m, struct err *e) __attribute__((warn_unused_result));

#endif
