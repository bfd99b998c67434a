/* SPDX-License-Identifier: MIT */
/*
 * mplcr-trigger, the map of the tool. One checkpoint is one way through these files:
 *
 *   main.c        the command line; options.c reads it                    -> struct options
 *   checkpoint.c  the way itself, and what happens when it ends early
 *   survey.c      asks QEMU and the host what this VM is and can do       -> struct survey
 *   memory.c      its memory: a part of the survey
 *   plan.c        disks, space: everything decided, nothing done          -> struct plan
 *   plan_names.c  what the checkpoint and its overlays are called
 *   choose.c      the engine, and what its pause is predicted to be       -> struct choice
 *   engine*.c     one file per engine: QMP only, knows no files           -> struct engine_job
 *   freeze.c      the disks at the pause; one file per way of freezing them: freeze_overlay.c, freeze_reflink.c,
 *                 freeze_subvolume.c                                      -> struct freeze_method
 *   clones.c      files that are cloned at the pause                      -> struct clones
 *   include.c     other files of the same instant
 *   at_freeze.c   the user's command at the pause
 *   receive.c     the stream: pipe, thread, sink
 *   record.c      manifest and publication
 *   changes.c     what was changed in the VM and on disk, in one list
 *   undo.c        takes back what is on the list
 *   guardian.c    the process that takes it back when we die
 *   report.c      what the user is told in the end
 *
 * What only the MPLCR-patched QEMU has:
 *
 *   patch.c       its commands: known, switched on, switched off
 *   steer.c       its live stage brought to an end
 *   queue.c       its own way of freezing disks: overlays that it makes at the pause
 *   script.c      its pause, in which it waits for us
 *   sticky.c      what one QEMU process was given and keeps
 *   live.c        a live stage that the user ends: mplcr-trigger end-live
 */
#ifndef MPLCR_TRIGGER_H
#define MPLCR_TRIGGER_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "checkpoint/manifest.h"
#include "base/path_list.h"
#include "base/proc.h"
#include "qemu/qmp.h"
#include "state/sink.h"
#include "checkpoint/trace.h"
#include "qemu/disks.h"

/* --- options (main.c) ------------------------------------------------------------------------------------------- */

enum engine_kind { ENGINE_AUTO, ENGINE_BACKGROUND, ENGINE_PRECOPY, ENGINE_MPLCR, ENGINE_STOP };

enum disks_mode { DISKS_OVERLAY, DISKS_REFLINK, DISKS_SUBVOLUME, DISKS_NONE, DISKS_AUTO };

/* --mplm: how the patched QEMU sends memory in its live stage. */
struct mplm {
	bool given;
	uint64_t interval_s;    /* between two looks at what is dirty, seconds */
	uint64_t dirty_percent; /* share of dirty pages in what is sent */
	bool relax;
	bool first_nondirty; /* the first pass sends the pages that stay clean */
};

/* --device DEV[=FILE] */
struct device_choice {
	char *device;
	char *file; /* where its overlay goes, or NULL */
};

struct options {
	const char *socket;
	const char *name; /* NULL: the next free one */
	const char *dir;  /* NULL: beside the image of the first disk */
	enum engine_kind engine;
	bool stream;    /* layout stream instead of pages */
	int zstd_level; /* 0: not compressed */
	enum disks_mode disks;
	struct device_choice *devices;
	size_t n_devices;
	char **leave_out; /* --leave-out: writable disks that are not frozen, by the user's wish */
	size_t n_leave_out;
	struct path_list include; /* --include, --include-from: as they were given */
	uint64_t max_bandwidth; /* bytes per second, 0: no limit */
	uint64_t max_pause_ms;  /* 0: no limit */
	uint64_t timeout_ms;    /* for the whole checkpoint, 0: no limit */
	uint64_t passes;        /* precopy: passes before the pause limit is relaxed */
	bool accept_unsafe_precopy;
	struct mplm mplm;
	bool max_rate;         /* the patched QEMU: no limit at all */
	bool extend_live;      /* the live stage lasts until it is ended */
	uint64_t extend_ms;    /* or so long, 0: until it is ended */
	const char *uri;       /* where the state goes instead of into the checkpoint, or NULL */
	const char *at_freeze; /* shell command to run in the pause, or NULL */
	uint64_t at_freeze_ms; /* its time limit */
	bool dry_run;
	bool leave_paused;
	bool json;
};

/* Before any option is read. Of MPLM, what QEMU does by itself. */
/* clang-format off */
#define MPLM_DEFAULT { .interval_s = 3, .dirty_percent = 50, .relax = true, .first_nondirty = true }
#define OPTIONS_DEFAULT { .passes = 8, .at_freeze_ms = 5000, .mplm = MPLM_DEFAULT }
/* clang-format on */

/* Takes one option (a callback of cli.h; `ctx` is the struct options). Returns 0 or -1. */
int options_set(void *ctx, const char *name, const char *value, struct err *e);
/* Takes the operands, and checks what goes together. Returns 0 or -1. */
int options_check(struct options *o, int n_operands, char **operands, struct err *e);
void options_release(struct options *o);

/* The name of the first option given that only the engine mplcr has, or NULL. */
const char *options_of_mplcr(const struct options *o);

/* --- the survey (survey.c, memory.c) ---------------------------------------------------------------------------- */

/*
 * What we gave a patched QEMU process that it keeps and does not tell: kept beside its socket, for that process only.
 */
struct sticky {
	char *dir; /* SOCKET.mplcr, absolute */
	pid_t pid;
	bool script;    /* at each checkpoint it runs our script, and makes no overlays */
	size_t n_queue; /* overlays that it will make at the next checkpoint */
	struct queued {
		char *device;
		char *file;
	} *queue;
};

/* From this version on the migration dirty bitmap sees every store of TCG (QEMU commit 03bfc2188f, 9.0). */
#define TCG_PRECOPY_VERSION 90000

struct survey {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	bool proc_known;
	struct procinfo proc;
	int version; /* as qmp_version */
	char *package;
	char *machine; /* resolved machine type */
	char *run_state;
	bool running;
	bool kvm;
	bool undescribed;   /* its stream has no description at the end (machine property suppress-vmdesc) */
	uint64_t memory;    /* bytes of guest memory */
	uint64_t populated; /* of these, an upper bound of what was ever touched */
	char **ram;         /* names of the memory backends: RAM blocks that get files of their own */
	size_t n_ram;
	json_t *capabilities; /* object: name -> bool */
	json_t *parameters;   /* object */
	struct disk *disks;
	size_t n_disks;
	char **nodes; /* names of all block nodes */
	size_t n_nodes;
	char background_refusal[512]; /* why QEMU cannot take a background snapshot, or "" */
	char precopy_refusal[512];    /* why precopy is not possible or not safe, or "" */
	bool precopy_unsafe;          /* precopy works but loses guest writes */
	bool patched;                 /* QEMU has the MPLCR patch */
	char mplcr_refusal[512];      /* why the engine mplcr is not possible or not safe, or "" */
	bool mplcr_unsafe;            /* it works but loses guest writes */
	struct sticky sticky;
};

struct changes;

/*
 * Asks QEMU (whose socket is at `socket`) and the host; the background-snapshot capability is tried and put back.
 * Returns 0 or -1.
 */
int survey_vm(struct survey *s, const char *socket, struct qmp *q, struct changes *c, struct err *e);
void survey_release(struct survey *s);

/* The memory: fills s->memory, s->ram. */
int survey_memory(struct survey *s, struct qmp *q, struct err *e);

/* The absolute path of an image by the name that QEMU shows; malloc'd, or NULL where no such file can be found. */
char *disk_image_path(const char *shown, const struct survey *s);

/* --- the choice of engine (choose.c) ---------------------------------------------------------------------------- */

struct choice {
	enum engine_kind engine;
	char why[640];        /* one line for the user */
	double background_ms; /* predicted pauses; negative where the engine cannot be used */
	double precopy_ms;
	double mplcr_ms;
	double stop_ms;
	double dirty_mib_s; /* measured dirty rate, negative where it was not measured */
};

/* Chooses by the options and the survey; measures the dirty rate (1 s) where that decides. Returns 0 or -1. */
int choose_engine(struct choice *c, const struct options *o, const struct survey *s, struct qmp *q, struct err *e);

/* The prediction that belongs to the engine chosen, in ms. */
double choice_predicted_ms(const struct choice *c);

/* Pauses in ms that background and precopy are expected to cost; bytes, bytes per second. */
double predict_background_ms(uint64_t memory, uint64_t populated);
double predict_precopy_ms(uint64_t populated, double dirty_rate, double bandwidth, uint64_t passes);

/* --- files that are cloned in the pause (clones.c) -------------------------------------------------------------- */

struct clone {
	char *from; /* absolute */
	char *to;   /* below the checkpoint's directory: "disks/vm1.qcow2" */
	bool copy;  /* the filesystem cannot clone it: it is copied */
	int from_fd, to_fd; /* from clones_open on, else -1 */
};

struct clones {
	struct clone *list;
	size_t n;
	char *in; /* the checkpoint's directory, for messages; from clones_open on */
};

/*
 * Adds the file at `from`, to be cloned to DIR/NAME, where NAME is that of the file; or TAG-NAME, or TAG-NUMBER-NAME
 * where another of the list has that. Returns its `to`, the list's.
 */
const char *clones_add(struct clones *c, const char *dir, const char *from, const char *tag);
/* Whether the filesystem of the directory `dir` can clone the file. Returns 0, or -1 with the reason. */
int clone_possible(const char *from, const char *dir, struct err *e);
/*
 * Makes `sub` below the directory `in`, which is `dirfd`, and the empty files in it; opens both ends and writes back what
 * is dirty.
 */
int clones_open(struct clones *c, const char *in, int dirfd, const char *sub, struct err *e);
/* In the pause: clones them all. */
int clones_make(const struct clones *c, struct err *e);
/* Makes the clones durable, and closes both ends. Returns 0 or -1. */
int clones_close(struct clones *c, const char *sub, struct err *e);
void clones_release(struct clones *c);

/* --- the plan (plan.c, plan_names.c) ---------------------------------------------------------------------------- */

/* What happens to one disk of the survey. */
struct disk_plan {
	const struct disk *disk;
	bool freeze;
	char *overlay; /* absolute path, where the VM goes on with one, else NULL */
	char *backing; /* what the overlay's header says of its backing file */
	char node[32]; /* node name of the overlay, where we give it one */
	char *clone;   /* of its image, below the checkpoint's directory, where that is what is frozen, else NULL */
	char *data;    /* the same of its external data file */
};

struct freeze_method;

struct plan {
	char *name;
	char *dir;               /* absolute, holds the checkpoint directory */
	char *final;             /* dir/NAME.ckpt */
	char *partial;           /* dir/NAME.ckpt.partial */
	char *parent;            /* name of the checkpoint before, or NULL */
	char *maker;             /* name of the one that made the overlays that the VM writes to now, or NULL */
	const struct freeze_method *method;
	struct disk_plan *disks; /* one per disk of the survey */
	size_t n_disks;
	char *subvolume;        /* that a snapshot is made of, or NULL */
	struct clones clones;   /* of the images */
	struct clones includes; /* of other files */
	bool queued;    /* QEMU itself makes the overlays (engine mplcr) */
	uint64_t space; /* bytes that the state may need */
};

int plan_make(struct plan *p, const struct options *o, const struct survey *s, struct err *e);
void plan_release(struct plan *p);

/* Chooses the names that are free; p->dir, p->disks and p->method are set. Returns 0 or -1. */
int plan_names(struct plan *p, const struct options *o, const struct survey *s, struct err *e);

/* What --device says of the disk, or NULL. */
const struct device_choice *plan_choice(const struct options *o, const struct disk *d);

/* The absolute path of what is frozen of the disk, once the checkpoint has its name; malloc'd. */
char *plan_frozen(const struct plan *p, const struct disk_plan *dp);
/* What the VM writes to after the checkpoint. */
const char *plan_active(const struct disk_plan *dp);
/* Whether the disk's image is one of the files that are included. */
bool plan_includes(const struct plan *p, const struct disk *d);
/* Whether there is anything to do in the pause but to put overlays on. */
bool plan_needs_pause(const struct plan *p, const struct options *o);
/* That the disk cannot be frozen, and `why`. Always returns -1. */
int plan_refuse(const struct disk *d, const char *why, struct err *e);

/* The files of --include (include.c): whether and how each can be copied. */
int include_plan(struct plan *p, const struct options *o, struct err *e);
/* Records them, after the pause; `dirfd` is the checkpoint's directory. */
int include_record(struct manifest *m, const struct plan *p, int dirfd, struct err *e);

/* The plan for --dry-run: one JSON object, the caller's. */
json_t *plan_to_json(const struct plan *p, const struct survey *s, const struct choice *c);

/* --- changes and their undoing (changes.c, guardian.c) ---------------------------------------------------------- */

#define MAX_FROZEN 64

struct changed_overlay {
	char path[PATH_MAX];
	char node[32];             /* "" where QEMU chooses it */
	char below[32];            /* node name of the image under it */
	char below_path[PATH_MAX]; /* and its path */
	int64_t made_ns;           /* modification time when it was made: unchanged means that nobody wrote to it */
};

/*
 * What we changed, in memory shared with the guardian. A change of the VM is noted *before* it is made, so that whoever
 * undoes never misses one: undoing what did not happen does nothing. A file is noted right *after* its name was claimed
 * (O_EXCL, mkdir), so that nobody else's is ever removed.
 */
/* What of the patched QEMU's is switched on. */
struct changed_patch {
	bool live; /* the next migration is a checkpoint, which resumes the VM here */
	bool max_rate;
	bool extended;      /* the live stage does not end by itself */
	bool mplm;          /* settings that the next migration will take */
	bool stuck;         /* its live stage spins for ever: nothing ends that migration */
	char job[PATH_MAX]; /* the directory that makes the script run the user's command, or "" */
};

struct changes {
	bool was_running; /* the VM ran when we came */
	bool run_state;   /* the VM may have been stopped by us, or by the migration that we started */
	bool migration;   /* a migration may have been started */
	bool pipe;        /* QEMU may hold our pipe under its name */
	/*
	 * The migration must not be broken off: a background snapshot of QEMU before 9.0 hangs the VM then. It is let
	 * run to its end, which is one copy of memory away, and what comes is dropped: that is why the guardian holds
	 * the pipe too.
	 */
	bool unbreakable;
	char capabilities[4096]; /* JSON to put back with migrate-set-capabilities, or "" */
	char parameters[4096];   /* JSON to put back with migrate-set-parameters, or "" */
	char partial[PATH_MAX];  /* directory to remove, or "" */
	char final[PATH_MAX];    /* its name once it is published: nothing is to be undone from then on */
	struct changed_patch patch;
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
	const struct options *options;
	uint64_t passes; /* before the pause limit is relaxed */
	/*
	 * Called before the migration by an engine whose QEMU freezes the disks by itself: tells QEMU how.
	 */
	int (*arm_freeze)(void *ctx, struct err *e);
	/* Whether the user has ended an extended live stage. */
	bool (*live_ended)(void *ctx);
	/* Called inside the pause, when the disks are drained: freezes them. */
	int (*at_pause)(void *ctx, struct err *e);
	/* Called some twenty times a second with what query-migrate said (borrowed) and a word for the phase. */
	void (*progress)(void *ctx, const char *phase, const json_t *info);
	/* Whether our side has failed, so that the rest of the stream is of no use. */
	bool (*failed)(void *ctx);
	void *ctx;

	/* What the engine finds out. */
	char status[32];     /* of the migration, from its events and from query-migrate */
	int64_t stop_us;     /* QEMU's wall clock when the guest stopped, 0 when it did not */
	int64_t resume_us;   /* and when it ran again */
	int64_t pause_began; /* our clock (clock.h), for --max-pause */
	int64_t passes_done; /* passes over memory that precopy made */
	int64_t last_sample; /* our clock, of the last query-migrate */
	double transferred;  /* bytes, at that sample */
	int64_t remaining;   /* bytes, at that sample */
	int64_t pages_sent;  /* since QEMU began, or since the migration did: that depends on its version */
	int64_t pages_total;
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
int vm_stop(struct engine_job *j, struct err *e);    /* stops the guest where it runs; the pause begins */
int vm_migrate(struct engine_job *j, struct err *e); /* starts the migration into our pipe */
int vm_wait_status(struct engine_job *j, const char *status, const char *phase, struct err *e);
int vm_events(struct engine_job *j, int64_t until, struct err *e);   /* waits for an event and takes all there are */
int vm_tick(struct engine_job *j, const char *phase, struct err *e); /* events of 50 ms, then a sample */
int vm_sample(struct engine_job *j, const char *phase, json_t **info, struct err *e); /* query-migrate */
int64_t vm_pages_sent(const json_t *ram);                                             /* of query-migrate's "ram" */
int vm_finish_migration(struct engine_job *j, struct err *e); /* after "completed": run state as it was before */
int vm_resume(struct engine_job *j, struct err *e);           /* cont, and wait until the guest runs */
int vm_run_state(struct engine_job *j, char *state, size_t size, bool *running, struct err *e);
bool vm_status_is(const struct engine_job *j, const char *status);

int engine_background_run(struct engine_job *j, struct err *e);
int engine_precopy_run(struct engine_job *j, struct err *e);
int engine_mplcr_run(struct engine_job *j, struct err *e);
int engine_stop_run(struct engine_job *j, struct err *e);

/* --- disks at the pause (freeze.c, freeze_*.c) ------------------------------------------------------------------ */

/* All that the freezing needs; borrowed. */
struct freeze {
	struct plan *plan;
	const struct survey *survey;
	struct changes *changes;
	struct qmp *q;
	int dirfd; /* the checkpoint's directory, which is still the partial one */
	int64_t deadline;
	int interrupt;
};

/* One way of freezing the disks. */
struct freeze_method {
	enum disks_mode mode;
	enum manifest_method recorded;
	const char *name;
	/* Whether it can be, and into which files; p->dir and p->disks[].freeze are set. Changes nothing. */
	int (*plan)(struct plan *p, struct err *e);
	/* Before the pause: makes the files. */
	int (*prepare)(const struct freeze *f, struct err *e);
	/* In the pause. */
	int (*run)(const struct freeze *f, struct err *e);
	/* After it: whether the disk writes to what it should, by QEMU's query-block. */
	int (*check)(const struct freeze *f, const struct disk_plan *dp, const json_t *blocks, struct err *e);
	/* Makes what is frozen complete in itself, and durable. */
	int (*settle)(const struct freeze *f, struct err *e);
};

extern const struct freeze_method freeze_overlay, freeze_reflink, freeze_subvolume;

/* The method for p->disks, auto resolved; its own plan is made. Returns 0 or -1. */
int freeze_plan(struct plan *p, const struct options *o, struct err *e);
int freeze_prepare(const struct freeze *f, struct err *e);
int freeze_run(const struct freeze *f, struct err *e);
/* Compares QEMU's own answer with the plan, and makes what is frozen durable. */
int freeze_check(const struct freeze *f, struct err *e);

/* Parts that methods share. Whether the disk goes on with the image that it had. */
int freeze_check_same(const struct freeze *f, const struct disk_plan *dp, const json_t *blocks, struct err *e);
/*
 * Makes the names in the header of each clone of an image lead from the checkpoint to its backing file and to the clone
 * of its data file.
 */
int freeze_relink(const struct freeze *f, struct err *e);

/*
 * Runs the user's command, with the paths of the images that stand still on its standard input, one a line. *output
 * (malloc'd, or NULL) gets what it printed. Returns 0 where it ended with status 0 in time and before `deadline`, else -1.
 */
int at_freeze_run(const struct options *o, const struct plan *p, int64_t deadline, int interrupt, char **output,
		  struct err *e);
/* The paths of the images that stand still in the pause, one a line; malloc'd. */
char *at_freeze_list(const struct plan *p);
/* Shows the user what the command printed (NULL: nothing). */
void at_freeze_show(const char *output);
/* What it is called in messages. */
#define AT_FREEZE_COMMAND "the command of --at-freeze"
/* What its environment has: mplcr-snap may copy images that a VM has open for writing, since they stand still. */
#define AT_FREEZE_MARK "MPLCR_AT_FREEZE=1"

/* --- the patched QEMU (patch.c, steer.c, queue.c, script.c, sticky.c, live.c)
 * ------------------------------------------------------- */

/* Whether QEMU has the patch: fills the survey's `patched`, `mplcr_*` and `sticky_script`. */
int patch_survey(struct survey *s, const char *socket, struct qmp *q, struct err *e);
/*
 * How the next migration sends memory, or (enable false) that it does so plainly, without the patch's part in it. Acts on
 * one that is under way, too.
 */
int patch_set(struct changes *c, const struct mplm *m, bool enable, struct qmp *q, struct err *e);
/* Makes the next migration a checkpoint; does nothing where that is so already. */
int patch_enable(struct changes *c, struct qmp *q, struct err *e);
int patch_max_rate(struct changes *c, struct qmp *q, struct err *e);
int patch_extend_live(struct changes *c, struct qmp *q, struct err *e);
int patch_end_live(struct changes *c, struct qmp *q, struct err *e);
/* Whether anything of it is on. */
bool patch_any(const struct changed_patch *p);
/* Switches off what is on. Returns 0 or -1. */
int patch_off(struct changes *c, struct qmp *q, struct err *e);

/*
 * Whether the patched QEMU can freeze the disks so: its limits. Marks the plan as queued where it makes overlays. Returns
 * 0 or -1.
 */
int queue_plan(struct plan *p, const struct options *o, const struct survey *s, struct err *e);
/* Queues all overlays. They cannot be taken from the queue again. */
int queue_overlays(const struct plan *p, struct sticky *k, struct qmp *q, struct err *e);

struct script;

/*
 * Gives QEMU the script with which it tells us that its pause is there: a thread then calls `work`, while QEMU waits, and
 * answers nobody. `command_ms`: how long the user's command in it may take. Returns NULL with an error.
 */
struct script *script_arm(int (*work)(void *ctx, struct err *e), void *ctx, uint64_t command_ms, struct survey *s,
			  struct changes *c, struct qmp *q, struct err *e);
/* After the pause: what became of the work. Returns 0 where it succeeded and the guest stood still all the time. */
int script_result(struct script *sc, const struct survey *s, struct changes *c, struct err *e);
/* Waits until the work, where it is under way, is done. NULL is allowed. */
void script_end(struct script *sc);
/* Reads what is kept of the process `pid` that listens on `socket`; nothing is no failure. Returns 0 or -1. */
int sticky_load(struct sticky *k, const char *socket, pid_t pid, struct err *e);
/* Stores it; where nothing is kept, removes the directory. */
int sticky_store(const struct sticky *k, struct err *e);
void sticky_queue_add(struct sticky *k, const char *device, const char *file);
void sticky_queue_clear(struct sticky *k);
/* The overlay that is queued for the device, or NULL. */
const char *sticky_queued(const struct sticky *k, const char *device);
void sticky_release(struct sticky *k);

/* Where the live stage is, in its steering. */
struct steer {
	enum steer_step { STEER_START, STEER_PACE, STEER_WAIT, STEER_CREEP, STEER_LIVE, STEER_END } step;
	int64_t since;        /* our clock, of STEER_WAIT */
	int64_t passes;       /* that were done then */
	int64_t pages_before; /* sent before this migration: old QEMUs count on */
};

/* Before the migration. */
int steer_begin(struct steer *st, struct qmp *q, struct err *e);

/* Bytes per second with which the migration is to begin. */
uint64_t steer_first_bandwidth(const struct options *o);
/* How the memory is to be sent at first: as the user wants it, but for the interval. */
struct mplm steer_first_settings(const struct engine_job *j);
/* Called after each sample: sets what the live stage needs next. Returns 0 or -1. */
int steer(struct steer *st, struct engine_job *j, struct err *e);
/* How long until the next sample. */
int steer_look_ms(const struct steer *st, const struct engine_job *j);

struct live;

/* Waits for mplcr-trigger end-live, SIGUSR1 or SIGINT, or until `ms` (0: for ever) have passed. NULL with an error. */
struct live *live_open(const char *socket, uint64_t ms, int interrupt, struct err *e);
bool live_ended(struct live *l);
/* SIGINT ends the checkpoint again. NULL is allowed. */
void live_close(struct live *l);

/* main of `mplcr-trigger end-live`. Returns the exit status. */
int live_main(int argc, char **argv);

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
	uint64_t sent_bytes;              /* of the migration stream */
	const struct sink_result *result; /* NULL where the state went elsewhere (--uri) */
};

/*
 * Builds the manifest, with the identities of the frozen images as they are now; `dirfd` is the checkpoint's directory.
 * Returns it, the caller's, or NULL.
 */
struct manifest *record_build(const struct options *o, const struct survey *s, const struct choice *ch,
			      const struct plan *p, const struct outcome *out, int dirfd, struct err *e);

/* Writes manifest and trace into the partial directory, makes it durable and gives it its final name. */
int record_publish(struct manifest *m, struct trace *t, const struct plan *p, int dirfd, struct err *e);

/* --- reports (report.c) ----------------------------------------------------------------------------------------- */

/* Says on stderr what was done, and prints the checkpoint (it stands by now, whatever happens). Returns 0 or -1. */
int report_checkpoint(const struct options *o, const struct plan *p, const struct outcome *out,
		      const struct manifest *m, struct err *e);
/* The same for --dry-run. */
int report_plan(const struct options *o, const struct survey *s, const struct choice *ch, const struct plan *p,
		struct err *e);

/* --- the way through (checkpoint.c) ----------------------------------------------------------------------------- */

/* Takes the checkpoint (or does the dry run) and prints the report. Returns 0 or -1. */
int checkpoint_take(const struct options *o, struct err *e);

#endif
