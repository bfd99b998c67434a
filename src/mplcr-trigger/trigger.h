/* SPDX-License-Identifier: MIT */
/*
 * mplcr-trigger, the map of the tool. One checkpoint is one way through these files:
 *
 *   main.c        options
 *   checkpoint.c  the way itself, and what happens when it ends early
 *   survey.c      asks QEMU and the host what this VM is and can do       -> struct survey
 *   disks.c       the disks of the VM, part of the survey                 -> struct disk
 *   plan.c        names, disks, space: everything decided, nothing done   -> struct plan
 *   choose.c      the engine, and what its pause is predicted to be       -> struct choice
 *   engine*.c     one file per engine: QMP only, knows no files           -> struct engine_job
 *   freeze.c      the disks at the pause: overlays
 *   receive.c     the stream: pipe, thread, sink
 *   record.c      manifest and publication
 *   changes.c     what was changed in the VM and on disk, in one list
 *   undo.c        takes back what is on the list
 *   guardian.c    the process that takes it back when we die
 */
#ifndef MPLCR_TRIGGER_H
#define MPLCR_TRIGGER_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "manifest.h"
#include "procinfo.h"
#include "qmp.h"
#include "sink.h"
#include "trace.h"

/* --- options (main.c) ------------------------------------------------------------------------------------------- */

enum engine_kind { ENGINE_AUTO, ENGINE_BACKGROUND, ENGINE_PRECOPY, ENGINE_STOP };

/* --device DEV[=FILE] */
struct device_choice {
	char *device;
	char *file; /* where its overlay goes, or NULL */
};

struct options {
	const char *socket;
	const char *name;       /* NULL: the next free one */
	const char *dir;        /* NULL: beside the image of the first disk */
	enum engine_kind engine;
	bool stream;            /* layout stream instead of pages */
	int zstd_level;         /* 0: not compressed */
	bool no_disks;          /* --disks none */
	struct device_choice *devices;
	size_t n_devices;
	char **leave_out;       /* --leave-out: writable disks that are not frozen, by the user's wish */
	size_t n_leave_out;
	uint64_t max_bandwidth; /* bytes per second, 0: no limit */
	uint64_t max_pause_ms;  /* 0: no limit */
	uint64_t timeout_ms;    /* for the whole checkpoint, 0: no limit */
	uint64_t passes;        /* precopy: passes before the pause limit is relaxed */
	bool accept_unsafe_precopy;
	bool dry_run;
	bool leave_paused;
	bool json;
};

/* --- the survey (survey.c, disks.c) ----------------------------------------------------------------------------- */

/* One disk of the VM that has an image in it. */
struct disk {
	char *device;           /* stable name that users see, see manifest.h */
	char *backend;          /* block backend name for QMP commands, "" where it has none */
	char *node;             /* root node name */
	char *qdev;             /* or NULL */
	char *shown;            /* the root image's file name as QEMU shows it */
	struct manifest_image *chain; /* path and format of each image, top first; identities come after the freeze */
	size_t n_chain;
	uint64_t virtual_size;  /* bytes */
	bool read_only;
	char *refusal;          /* why it cannot be frozen, or NULL */
};

struct survey {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	bool proc_known;
	struct procinfo proc;
	int version;            /* as qmp_version */
	char *package;
	char *machine;          /* resolved machine type */
	char *run_state;
	bool running;
	bool kvm;
	bool undescribed;       /* its stream has no description at the end (machine property suppress-vmdesc) */
	uint64_t memory;        /* bytes of guest memory */
	uint64_t populated;     /* of these, an upper bound of what was ever touched */
	char **ram;             /* names of the memory backends: RAM blocks that get files of their own */
	size_t n_ram;
	json_t *capabilities;   /* object: name -> bool */
	json_t *parameters;     /* object */
	struct disk *disks;
	size_t n_disks;
	char **nodes;           /* names of all block nodes */
	size_t n_nodes;
	char background_refusal[512]; /* why QEMU cannot take a background snapshot, or "" */
	char precopy_refusal[512];    /* why precopy is not possible or not safe, or "" */
	bool precopy_unsafe;          /* precopy works but loses guest writes */
};

struct changes;

/* Asks QEMU and the host; the background-snapshot capability is tried and put back. Returns 0 or -1. */
int survey_vm(struct survey *s, struct qmp *q, struct changes *c, struct err *e);
void survey_release(struct survey *s);

/* The disks: fills s->disks. */
int survey_disks(struct survey *s, struct qmp *q, struct err *e);

/* The root node name and its file, in query-block's answer `blocks`, of the disk with that backend or qdev. */
const json_t *disk_find(const json_t *blocks, const struct disk *d);

/* --- the choice of engine (choose.c) ---------------------------------------------------------------------------- */

struct choice {
	enum engine_kind engine;
	char why[640];               /* one line for the user */
	double background_ms;        /* predicted pauses; negative where the engine cannot be used */
	double precopy_ms;
	double stop_ms;
	double dirty_mib_s;          /* measured dirty rate, negative where it was not measured */
};

/* Chooses by the options and the survey; measures the dirty rate (1 s) where that decides. Returns 0 or -1. */
int choose_engine(struct choice *c, const struct options *o, const struct survey *s, struct qmp *q, struct err *e);

/* The prediction that belongs to the engine chosen, in ms. */
double choice_predicted_ms(const struct choice *c);

/* Pauses in ms that background and precopy are expected to cost; bytes, bytes per second. */
double predict_background_ms(uint64_t memory, uint64_t populated);
double predict_precopy_ms(uint64_t populated, double dirty_rate, double bandwidth, uint64_t passes);

/* --- the plan (plan.c) ------------------------------------------------------------------------------------------ */

/* What happens to one disk of the survey. */
struct disk_plan {
	const struct disk *disk;
	bool freeze;             /* an overlay is made */
	char *overlay;           /* absolute path, where `freeze` */
	char *backing;           /* what the overlay's header says of its backing file */
	char node[32];           /* node name of the overlay */
};

struct plan {
	char *name;
	char *dir;               /* absolute, holds the checkpoint directory */
	char *final;             /* dir/NAME.ckpt */
	char *partial;           /* dir/NAME.ckpt.partial */
	char *parent;            /* or NULL */
	struct disk_plan *disks; /* one per disk of the survey */
	size_t n_disks;
	uint64_t space;          /* bytes that the state may need */
};

int plan_make(struct plan *p, const struct options *o, const struct survey *s, struct err *e);
void plan_release(struct plan *p);

/* The plan for --dry-run: one JSON object, the caller's. */
json_t *plan_to_json(const struct plan *p, const struct survey *s, const struct choice *c);

/* --- changes and their undoing (changes.c, guardian.c) ---------------------------------------------------------- */

#define MAX_FROZEN 64

struct changed_overlay {
	char path[PATH_MAX];
	char node[32];
	char below[32];           /* node name of the image under it */
	int64_t made_ns;          /* modification time when it was made: unchanged means that nobody wrote to it */
};

/*
 * What we changed, in memory shared with the guardian. A change of the VM is noted *before* it is made, so that whoever
 * undoes never misses one: undoing what did not happen does nothing. A file is noted right *after* its name was claimed
 * (O_EXCL, mkdir), so that nobody else's is ever removed.
 */
struct changes {
	bool was_running;         /* the VM ran when we came */
	bool run_state;           /* the VM may have been stopped by us, or by the migration that we started */
	bool migration;           /* a migration may have been started */
	bool pipe;                /* QEMU may hold our pipe under its name */
	/*
	 * The migration must not be broken off: a background snapshot of QEMU before 9.0 hangs the VM then. It is let
	 * run to its end, which is one copy of memory away, and what comes is dropped: that is why the guardian holds
	 * the pipe too.
	 */
	bool unbreakable;
	char capabilities[4096];  /* JSON to put back with migrate-set-capabilities, or "" */
	char parameters[4096];    /* JSON to put back with migrate-set-parameters, or "" */
	char partial[PATH_MAX];   /* directory to remove, or "" */
	char final[PATH_MAX];     /* its name once it is published: nothing is to be undone from then on */
	size_t n_overlays;
	struct changed_overlay overlays[MAX_FROZEN];
};

/* The name under which QEMU holds our pipe. */
#define PIPE_NAME "mplcr-state"

/* Shared memory for the list; NULL with an error when there is none. */
struct changes *changes_new(struct err *e);

/*
 * Sets migration capabilities (an object name -> bool; only those that differ are sent) and records what to put back.
 * The same for parameters. The objects are borrowed.
 */
int changes_capabilities(struct changes *c, struct qmp *q, const json_t *now, json_t *wanted, struct err *e);
int changes_parameters(struct changes *c, struct qmp *q, const json_t *now, json_t *wanted, struct err *e);

/* Puts capabilities and parameters back. Returns 0 or -1. */
int changes_put_back(struct changes *c, struct qmp *q, struct err *e);

/*
 * Takes everything back: cancels the migration, lets the VM run (or stand) as before, puts capabilities and parameters
 * back, commits overlays that are in use into the images under them, removes files. Goes on after a failed step.
 * Returns 0, or -1 with what stands and what to do about it.
 */
int changes_undo(struct changes *c, struct qmp *q, struct err *e);

/* Whether anything is recorded. */
bool changes_any(const struct changes *c);

struct guardian {
	pid_t pid;
	int alive; /* write end of the pipe whose end of file means that we died */
};

/*
 * Forks the guardian, which does changes_undo when this process ends without guardian_dismiss, and drains the pipe
 * meanwhile. To be called before there are threads. Returns 0 or -1.
 */
int guardian_start(struct guardian *g, struct changes *c, struct qmp *q, const int pipe_ends[2], struct err *e);
void guardian_dismiss(struct guardian *g);

/* --- engines (engine.c, engine_*.c) ----------------------------------------------------------------------------- */

/* precopy begins with this downtime-limit (ms) and relaxes it only when the guest does not converge. */
#define TIGHT_LIMIT_MS 5

/* One run of an engine. It knows QMP and nothing of files. */
struct engine_job {
	struct qmp *q;
	struct changes *changes;
	const struct survey *survey;
	bool leave_paused;
	uint64_t max_bandwidth;  /* bytes per second, 0: no limit */
	uint64_t max_pause_ms;   /* 0: no limit */
	uint64_t passes;
	/* Called inside the pause, when the disks are drained: freezes them. */
	int (*at_pause)(void *ctx, struct err *e);
	/* Called about ten times a second with what query-migrate said (borrowed) and a word for the phase. */
	void (*progress)(void *ctx, const char *phase, const json_t *info);
	/* Whether our side has failed, so that the rest of the stream is of no use. */
	bool (*failed)(void *ctx);
	void *ctx;

	/* What the engine finds out. */
	char status[32];         /* of the migration, from its events and from query-migrate */
	int64_t stop_us;         /* QEMU's wall clock when the guest stopped, 0 when it did not */
	int64_t resume_us;       /* and when it ran again */
	int64_t pause_began;     /* our clock (clock.h), for --max-pause */
	int64_t passes_done;     /* passes over memory that precopy made */
	int64_t last_sample;     /* our clock, of the last query-migrate */
	double transferred;      /* bytes, at that sample */
};

struct engine {
	enum engine_kind kind;
	const char *name;
	const char *capability; /* the migration capability that makes it, or NULL */
	int (*run)(struct engine_job *j, struct err *e);
};

const struct engine *engine_of(enum engine_kind kind);
const struct engine *engine_named(const char *name);

/*
 * The capabilities for a run of the engine, given those of the VM (object name -> bool): its own and "events" on, and
 * every other that is on now off, since most change the stream or what happens to the VM. The caller's.
 */
json_t *engine_capabilities(const struct engine *engine, const json_t *now);

/* The whole run: capabilities and parameters set, the engine's own steps, everything put back. Returns 0 or -1. */
int engine_run(const struct engine *engine, struct engine_job *j, struct err *e);

/* Steps that engines are made of. Each returns 0 or -1. */
int vm_stop(struct engine_job *j, struct err *e);          /* stops the guest where it runs; the pause begins */
int vm_migrate(struct engine_job *j, struct err *e);       /* starts the migration into our pipe */
int vm_wait_status(struct engine_job *j, const char *status, const char *phase, struct err *e);
int vm_events(struct engine_job *j, int64_t until, struct err *e); /* waits for an event and takes all there are */
int vm_tick(struct engine_job *j, const char *phase, struct err *e); /* events of 100 ms, then a sample */
int vm_sample(struct engine_job *j, const char *phase, json_t **info, struct err *e); /* query-migrate */
int vm_finish_migration(struct engine_job *j, struct err *e); /* after "completed": run state as it was before */
int vm_resume(struct engine_job *j, struct err *e);        /* cont, and wait until the guest runs */
int vm_run_state(struct engine_job *j, char *state, size_t size, bool *running, struct err *e);
bool vm_status_is(const struct engine_job *j, const char *status);

int engine_background_run(struct engine_job *j, struct err *e);
int engine_precopy_run(struct engine_job *j, struct err *e);
int engine_stop_run(struct engine_job *j, struct err *e);

/* --- disks at the pause (freeze.c) ------------------------------------------------------------------------------ */

/* Makes the overlay files, before the pause, within `deadline` and until `interrupt` is readable. */
int freeze_prepare(const struct plan *p, const struct survey *s, struct changes *c, int64_t deadline, int interrupt,
		   struct err *e);
/* One transaction for all disks. */
int freeze_run(const struct plan *p, struct qmp *q, struct err *e);
/* Compares QEMU's own answer with the plan, and makes the frozen images durable. */
int freeze_check(const struct plan *p, struct qmp *q, struct err *e);

/* --- the stream (receive.c) ------------------------------------------------------------------------------------- */

struct receiver;

/* The pipe, [0] to read. Its ends are -1 once they were handed over. Returns 0 or -1. */
int receive_pipe(int ends[2], struct err *e);
/*
 * Opens the sink, hands the pipe to QEMU and starts the thread that reads it, to its end in any case: what comes after
 * a failure is dropped. Takes over the ends. Returns NULL with an error.
 */
struct receiver *receive_start(int ends[2], int dirfd, const struct options *o, const struct survey *s, struct qmp *q,
			       struct changes *c, struct err *e);
uint64_t receive_bytes(const struct receiver *r);
/* Why our side failed while QEMU was still sending (the receiver's), or NULL where it did not. */
const struct err *receive_failure(const struct receiver *r);
/* Waits until the stream has ended, and makes the files durable. Returns the result (the receiver's), or NULL. */
const struct sink_result *receive_finish(struct receiver *r, struct err *e);
void receive_free(struct receiver *r);

/* --- the record (record.c) -------------------------------------------------------------------------------------- */

struct outcome {
	double pause_ms;
	double total_ms;
	json_t *phases; /* array of {name, ms} */
	int64_t passes;
	const struct sink_result *result;
};

/* Builds the manifest, with the identities of the frozen images as they are now. Returns it, the caller's, or NULL. */
struct manifest *record_build(const struct options *o, const struct survey *s, const struct choice *ch,
			      const struct plan *p, const struct outcome *out, struct err *e);

/* Writes manifest and trace into the partial directory, makes it durable and gives it its final name. */
int record_publish(struct manifest *m, struct trace *t, const struct plan *p, int dirfd, struct err *e);

/* --- the way through (checkpoint.c) ----------------------------------------------------------------------------- */

/* Takes the checkpoint (or does the dry run) and prints the report. Returns 0 or -1. */
int checkpoint_take(const struct options *o, struct err *e);

#endif
