/* SPDX-License-Identifier: MIT */
/*
 * One checkpoint from beginning to end. After a failure before the publication, changes_undo takes everything back,
 * here or in the guardian, from the same list.
 */
#include "checkpoint.h"
#include "at_freeze.h"
#include "changes.h"
#include "choose.h"
#include "engine/engine.h"
#include "freeze/freeze.h"
#include "guardian.h"
#include "patched/patched.h"
#include "record.h"
#include "report.h"
#include "retention.h"
#include "transport/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/pulse.h"
#include "base/text.h"
#include "checkpoint/claim.h"
#include "checkpoint/store.h"
#include "checkpoint/unfinished/unfinished.h"

/* How long QEMU may keep from ending who need not wait for it. */
#define PATIENCE_MS 10000

/* How long another client may hold the socket, or another tool the VM, before we report it. */
#define GREETING_MS 5000

struct run {
	const struct options *options;
	struct qmp *q;
	struct trace *trace;
	struct changes *changes;
	struct guardian guardian;
	struct guarded guarded;
	struct engines engines;
	struct survey survey;
	struct choice choice;
	struct plan plan;
	struct freeze freeze;
	int64_t freezing; /* our clock when we began to freeze the disks */
	int64_t frozen;   /* and when they were frozen */
	char *said;       /* output of the command of --at-freeze, or NULL */
	struct engine_job job;
	const struct transport *transport;
	void *state; /* the transport's; NULL if the state goes elsewhere */
	struct outcome outcome;
	struct manifest *manifest;
	int pipe[2]; /* for the stream, until the receiver takes it over */
	int dirfd;
	int interrupt;
	int64_t began;
	int64_t deadline;
	int64_t phase_began;
	int64_t line_shown; /* when the progress line was last drawn */
};

/* Ends a phase of the checkpoint: its name and time go into the manifest. */
static void phase_done(struct run *r, const char *name)
{
	int64_t now = clock_ns();

	json_array_append_new(r->outcome.phases,
			      json_of("{s:s, s:f}", "name", name, "ms", clock_ms_between(r->phase_began, now)));
	trace_note(r->trace, "%s done", name);
	r->phase_began = now;
}

/* --- calls of the engine ------------------------------------------------------------------------------------- */

static int freeze_now(struct run *r, struct err *e)
{
	r->freezing = clock_ns();
	/* the includes first: if these fail, no overlay has to be taken back */
	if (clones_make(&r->plan.includes, e) < 0 || freeze_run(&r->freeze, e) < 0)
		return -1;
	r->frozen = clock_ns();
	return r->options->at_freeze ? at_freeze_run(r->options, &r->plan, r->deadline, r->interrupt, &r->said, e) : 0;
}

/* The work in the pause; may run on a thread of its own, which then is the one that has to get on. */
static int freeze_disks(void *ctx, struct err *e)
{
	int result;

	pulse_take();
	result = freeze_now(ctx, e);
	pulse_give_back();
	return result;
}

static void tell_frozen(void *ctx)
{
	struct run *r = ctx;

	trace_note(r->trace, "disks frozen in %.2f ms", clock_ms_between(r->freezing, r->frozen));
}

static void show_progress(void *ctx, const char *phase, const json_t *info)
{
	struct run *r = ctx;
	const json_t *ram = json_object_get(info, "ram");
	double total = (double)json_int(ram, "total", 0), left = (double)json_int(ram, "remaining", 0);
	double seconds = clock_ms_between(r->phase_began, clock_ns()) / 1000;
	double percent = total > 0 ? 100 * (total - left) / total : 0;
	double to_go = percent > 1 ? seconds * (100 - percent) / percent : 0;

	if (r->job.pause_began && !r->job.resume_us)
		return; /* nothing is written in the pause */
	if (!cli_progress() || clock_ns() - r->line_shown < 50 * NS_PER_MS)
		return;
	r->line_shown = clock_ns();
	cli_progress_line("%s: %s  %3.0f%%  %.0f MB/s  %.1f s left", r->plan.name, phase, percent,
			  (double)json_int(ram, "transferred", 0) / 1e6 / seconds, to_go);
}

/*
 * The guest is, or may get, paused from here on; or it needs us to go on, because its memory is being saved. Nobody who
 * reads our messages may keep us meanwhile.
 */
static void pause_may_begin(struct run *r)
{
	if (!r->survey.running)
		return;
	cli_hold();
	guardian_watch(&r->guardian, true);
}

static void pause_is_over(struct run *r)
{
	guardian_watch(&r->guardian, false);
	cli_let_go();
}

/* What the user's command printed in the pause. */
static void show_said(struct run *r)
{
	at_freeze_show(r->said);
	free(steal_ptr(r->said));
}

static bool has_failed(void *ctx)
{
	struct run *r = ctx;

	return r->state && r->transport->failure(r->state) != NULL;
}

/* --- the steps -------------------------------------------------------------------------------------------------- */

static int make_partial(struct run *r, struct err *e)
{
	changes_claiming(r->changes, r->plan.partial);
	r->dirfd = store_claim(r->plan.partial, r->plan.final, e);
	if (r->dirfd >= 0) {
		snprintf(r->changes->final, sizeof(r->changes->final), "%s", r->plan.final);
		snprintf(r->changes->partial, sizeof(r->changes->partial), "%s", r->plan.partial);
	}
	changes_claiming(r->changes, NULL);
	return r->dirfd < 0 ? -1 : 0;
}

/* The disks that get overlays, in the order of the list of changes. The texts are the plan's; the list is to be freed. */
static struct unfinished_disk *disks_of(const struct plan *p, size_t *n)
{
	struct unfinished_disk *list = memory_of(p->n_disks + 1, sizeof(*list));

	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];

		if (dp->overlay)
			list[(*n)++] = (struct unfinished_disk){
				.device = dp->disk->device,
				.frozen = dp->disk->chain[0].path,
				.format = dp->disk->chain[0].format,
				.below = dp->disk->node,
				.overlay = dp->overlay,
				.node = (char *)dp->node,
			};
	}
	return list;
}

static struct unfinished_process process_of(pid_t pid)
{
	return (struct unfinished_process){ pid, pid > 0 ? procinfo_started(pid) : 0 };
}

/* Begins the journal: what is meant to be done, before anything is. */
static int begin_journal(struct run *r, struct err *e)
{
	size_t n = 0;
	_cleanup_free_ struct unfinished_disk *disks = disks_of(&r->plan, &n);
	_cleanup_free_ char *socket = path_real(r->options->socket);
	char now[32];
	struct stat pipe = { 0 };
	const struct unfinished u = {
		.partial = r->plan.partial,
		.created = clock_utc(now),
		.engine = (char *)r->choice.engine->name,
		.socket = socket ? socket : (char *)r->options->socket,
		.vm = process_of(r->survey.process.pid),
		.tool = process_of(getpid()),
		.pipe = fstat(r->pipe[0], &pipe) == 0 ? pipe.st_ino : 0,
		.was_running = r->survey.running,
		.disks = disks,
		.n_disks = n,
	};

	r->changes->journal = unfinished_begin(&u, r->dirfd, e);
	return r->changes->journal ? unfinished_sync(r->changes->journal, e) : -1;
}

/* Claims the names of the plan: the checkpoint's directory, and the files for freezing the disks. */
static int claim(struct run *r, struct err *e)
{
	if (make_partial(r, e) < 0 || begin_journal(r, e) < 0)
		return -1;
	r->freeze = (struct freeze){
		.plan = &r->plan,
		.survey = &r->survey,
		.changes = r->changes,
		.q = r->q,
		.dirfd = r->dirfd,
		.deadline = r->deadline,
		.interrupt = r->interrupt,
	};
	return freeze_prepare(&r->freeze, e);
}

/* Two checkpoints may choose the same names at the same time: the second takes the next free ones. */
static int claim_names(struct run *r, struct err *e)
{
	while (claim(r, e) < 0) {
		if (e->sys != EEXIST)
			return -1;
		unfinished_end(steal_ptr(r->changes->journal));
		changes_release_names(r->changes);
		if (r->dirfd >= 0)
			close(r->dirfd);
		r->dirfd = -1;
		if (plan_names_anew(&r->plan, r->options, &r->survey, &r->choice, e) < 0)
			return -1;
	}
	return 0;
}

static int survey_and_plan(struct run *r, struct err *e)
{
	if (survey_vm(&r->survey, &r->engines, r->options->socket, r->q, r->changes, e) < 0)
		return -1;
	qmp_set_deadline(r->q, r->deadline);
	if (choose_engine(&r->choice, &r->engines, r->options, &r->survey, r->q, e) < 0 ||
	    plan_make(&r->plan, r->options, &r->survey, &r->choice, e) < 0)
		return -1;
	trace_note(r->trace, "%s the checkpoint before, in %.2f ms", r->plan.before ? "found" : "did not find",
		   r->plan.parent_ms);
	if (!r->survey.process.known)
		cli_warn("QEMU's command line cannot be read: mplcr-restore will need it after '--'");
	phase_done(r, "survey");
	return 0;
}

/* Prepares to receive the state. */
static int open_transport(struct run *r, struct err *e)
{
	const struct transport_ends ends = {
		.pipe = r->pipe,
		.keep = engine_is_unbreakable(r->choice.engine, &r->survey),
		.dirfd = r->dirfd,
		.parent = plan_parent(&r->plan, r->options),
		.options = r->options,
		.survey = &r->survey,
		.changes = r->changes,
		.q = r->q,
	};

	r->transport = transport_for(r->choice.engine, r->options);
	if (!r->transport->stores)
		return 0;
	r->state = r->transport->open(&ends, e);
	return r->state ? 0 : -1;
}

static int prepare(struct run *r, struct err *e)
{
	if (claim_names(r, e) < 0 || unfinished_sync(r->changes->journal, e) < 0 ||
	    clones_open(&r->plan.includes, r->plan.partial, r->dirfd, INCLUDED_DIR, e) < 0 || open_transport(r, e) < 0)
		return -1;
	phase_done(r, "prepare");
	return 0;
}

static int run_engine(struct run *r, struct err *e)
{
	r->job = (struct engine_job){
		.q = r->q,
		.changes = r->changes,
		.survey = &r->survey,
		.options = r->options,
		.plan = &r->plan,
		.state = r->engines.state[r->choice.row],
		.uri = r->transport->uri(r->state, r->options),
		.interrupt = r->interrupt,
		.passes = r->options->passes,
		.freeze = freeze_disks,
		.frozen = tell_frozen,
		.progress = show_progress,
		.failed = has_failed,
		.ctx = r,
	};
	pause_may_begin(r);
	if (engine_run(&r->engines, r->choice.row, &r->job, e) < 0) {
		const struct err *ours = r->state ? r->transport->failure(r->state) : NULL;

		if (ours && e->sys != EINTR)
			*e = *ours; /* the cause; QEMU's error is only its consequence */
		return -1;
	}
	r->outcome.pause_ms =
		r->job.stop_us && r->job.resume_us ? (double)(r->job.resume_us - r->job.stop_us) / 1000 : 0;
	pause_is_over(r);
	phase_done(r, "engine");
	if (r->choice.engine->after_pause && r->choice.engine->after_pause(&r->job, e) < 0)
		return -1;
	show_said(r);
	return 0;
}

/* Takes the stream as stored; if it went elsewhere, only QEMU knows its size. */
static int store(struct run *r, struct err *e)
{
	if (!r->transport->stores) {
		r->outcome.sent_bytes = (uint64_t)r->job.transferred;
		return 0;
	}
	cli_progress_line("%s: making it durable", r->plan.name);
	r->outcome.result = r->transport->finish(r->state, e);
	if (!r->outcome.result)
		return -1;
	r->outcome.sent_bytes = r->outcome.result->bytes;
	phase_done(r, "store");
	return 0;
}

static int check_and_publish(struct run *r, struct err *e)
{
	int result;

	if (store(r, e) < 0 || freeze_check(&r->freeze, e) < 0 || clones_close(&r->plan.includes, INCLUDED_DIR, e) < 0)
		return -1;
	phase_done(r, "check");
	r->outcome.total_ms = clock_ms_between(r->began, clock_ns());
	r->manifest = record_build(r->options, &r->survey, &r->choice, &r->plan, &r->outcome, r->dirfd, e);
	if (!r->manifest)
		return -1;
	result = record_publish(r->manifest, r->trace, &r->plan, r->dirfd, e);
	if (result == 0 || e->status == EXIT_PARTIAL)
		unfinished_end(steal_ptr(r->changes->journal));
	return result;
}

/* The checkpoint leaves word with images in other directories. */
static void leave_claims(const struct run *r)
{
	struct err e;

	if (claim_make_checkpoint(r->manifest, "mplcr-trigger", &e) < 0)
		cli_note("%s", e.text);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static int open_run(struct run *r, struct err *e)
{
	r->changes = changes_new(e);
	if (!r->changes)
		return -1;
	r->interrupt = interrupt_open(e);
	if (r->interrupt < 0)
		return -1;
	r->q = qmp_connect(r->options->socket, GREETING_MS, r->interrupt, e);
	if (!r->q || qmp_take_turn(r->q, GREETING_MS, e) < 0 || transport_make_pipe(r->pipe, e) < 0)
		return -1;
	r->guarded = (struct guarded){ r->changes, r->q };
	if (guard_changes(&r->guardian, &r->guarded, r->pipe, e) < 0)
		return -1;
	r->changes->pipe_end = r->guardian.drain;
	qmp_set_interrupt(r->q, r->interrupt);
	qmp_set_watcher(r->q, trace_qmp, r->trace);
	return 0;
}

static int go(struct run *r, struct err *e)
{
	if (open_run(r, e) < 0 || survey_and_plan(r, e) < 0)
		return -1;
	choice_tell(&r->choice, r->options);
	if (r->options->dry_run)
		interrupt_obey(r->interrupt);
	if (r->options->dry_run)
		return report_plan(r->options, &r->survey, &r->choice, &r->plan, e);
	if (prepare(r, e) < 0 || run_engine(r, e) < 0 || check_and_publish(r, e) < 0)
		return -1;
	leave_claims(r);
	interrupt_obey(r->interrupt); /* whoever does not read the report */
	return report_checkpoint(r->options, &r->plan, &r->outcome, r->manifest, e);
}

/*
 * How long this process waits for a QEMU that does not answer, before it leaves it to the guardian: as long as it takes
 * where the VM may be paused, unless the user wants an end.
 */
static int64_t patience(const struct run *r, const struct err *e)
{
	bool paused = r->changes->run_state && r->changes->was_running;

	if (r->guardian.pid == 0)
		return CLOCK_NEVER;
	return paused && e->sys != EINTR && !clock_over(r->deadline) ? CLOCK_NEVER : clock_in_ms(PATIENCE_MS);
}

/* `e`: why. */
static int take_back(struct run *r, const struct err *e, struct err *why)
{
	interrupt_forget(r->interrupt);
	qmp_set_interrupt(r->q, r->interrupt);
	qmp_set_deadline(r->q, patience(r, e));
	if (changes_undo(r->changes, r->q, why) == 0)
		return 0;
	if (qmp_gave_up(r->q)) {
		size_t used = strlen(why->text);

		snprintf(why->text + used, sizeof(why->text) - used, "; mplcr-guardian (process %d) goes on trying",
			 (int)r->guardian.pid);
		guardian_leave(&r->guardian);
	}
	return -1;
}

/* Takes everything back. If that fails, adds to the message and sets the exit status. */
static void undo(struct run *r, struct err *e)
{
	struct err why;
	int result;

	cli_progress_end();
	engines_abandon(&r->engines);
	if (r->changes && patch_is_stuck(r->changes))
		r->state = NULL; /* a thread waits for a stream that never ends until this process ends */
	result = r->changes && r->q ? take_back(r, e, &why) : 0;
	pause_is_over(r);
	show_said(r);
	if (result == 0)
		return;
	snprintf(e->text + strlen(e->text), sizeof(e->text) - strlen(e->text), "; and %s", why.text);
	memcpy(e->hint, why.hint, sizeof(e->hint));
	e->status = why.status;
}

static void close_run(struct run *r)
{
	guardian_dismiss(&r->guardian);
	manifest_free(r->manifest);
	engines_release(&r->engines);
	if (r->state)
		r->transport->release(r->state);
	qmp_close(r->q);
	plan_release(&r->plan);
	survey_release(&r->survey);
	json_decref(r->outcome.phases);
	free(r->said);
	trace_free(r->trace);
	for (int i = 0; i < 2; i++)
		if (r->pipe[i] >= 0)
			close(r->pipe[i]);
	if (r->dirfd >= 0)
		close(r->dirfd);
	if (r->changes)
		unfinished_close(r->changes->journal);
	if (r->changes)
		munmap(r->changes, sizeof(*r->changes));
}

int checkpoint_take(const struct options *o, struct err *e)
{
	struct run r = {
		.options = o,
		.engines = engines_all,
		.pipe = { -1, -1 },
		.dirfd = -1,
		.interrupt = -1,
		.began = clock_ns(),
		.outcome.phases = json_array(),
	};
	_cleanup_free_ char *made = NULL;
	int result;

	r.phase_began = r.began;
	r.deadline = o->timeout_ms ? r.began + (int64_t)o->timeout_ms * NS_PER_MS : CLOCK_NEVER;
	r.trace = trace_begin();
	result = go(&r, e);
	if (result < 0)
		undo(&r, e);
	else if (r.manifest && retention_wanted(o))
		made = text_copy(r.manifest->checkpoint);
	close_run(&r);
	return made ? retention_prune(o, made, e) : result;
}
