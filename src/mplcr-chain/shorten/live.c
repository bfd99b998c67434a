/* SPDX-License-Identifier: MIT */
/*
 * Layers merged by the VM that runs on them: block-stream upwards, block-commit downwards (QEMU qapi/block-core.json).
 * QEMU keeps the chain sound at every moment, also where a job is cancelled. The job waits at its end, so that the
 * images change places while the guest is paused for a moment.
 */
#include "shorten/shorten.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu/block_job.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "image/in_use.h"
#include "base/interrupt.h"
#include "change/guard.h"
#include "change/merge.h"
#include "base/json.h"
#include "qemu/guardian.h"
#include "qemu/nodes.h"
#include "qemu/qmp.h"
#include "qemu/versions.h"
#include "qemu/vm.h"

#define JOB "mplcr-shorten"

#define CONNECT_MS 5000
#define STEP_MS 60000 /* a job's beginning, its end, its cancelling */
#define CLOSE_MS 5000 /* until QEMU has closed the images that it needs no more */
#define EVENT_MS 200
#define LOOK_MS 50

struct live {
	struct shorten *s;
	struct guardian guardian;
	struct qmp *q;
	bool waits; /* the job waits for block-job-finalize */
	bool running;
	char *device; /* node name of the top */
	char *first;  /* what QEMU calls the topmost of the layers */
	char *base;   /* and the base; NULL where there is none */
};

/* --- the guardian ----------------------------------------------------------------------------------------------- */

/* What it is told: the guest is held still; it runs again. */
enum { TELL_HOLD = 'h', TELL_RUN = 'r' };

/* Whatever QEMU was doing: the guest runs on if it ran. `interrupt`: ends the wait for that. */
static int let_run(const struct live *l, int interrupt, struct err *e)
{
	qmp_set_interrupt(l->q, interrupt);
	qmp_set_deadline(l->q, CLOCK_NEVER);
	qmp_be_patient(l->q);
	if (qmp_take_over(l->q, e) < 0)
		return -1;
	return l->running ? vm_insist(l->q, true, false, e) : 0;
}

/* In the guardian: the job goes, and the guest runs on if it ran. */
static int clean_up(void *ctx, const struct guardian_story *story)
{
	struct live *l = ctx;
	struct err e;

	cli_become("mplcr-guardian");
	l->running = l->running && story->told == TELL_HOLD; /* else nobody has paused it */
	if (let_run(l, -1, &e) < 0) {
		err_prefix(&e, "mplcr-chain %s", story->what);
		return cli_report(&e);
	}
	(void)!qmp_run(l->q, "block-job-cancel", json_of("{s:s, s:b}", "device", JOB, "force", true), NULL, &e);
	err_set(&e, "mplcr-chain %s; the VM goes on", story->what);
	cli_report(&e);
	return EXIT_DONE;
}

static int start_guardian(struct live *l, struct err *e)
{
	const struct guardian_duty duty = { .undo = clean_up, .ctx = l, .q = l->q };

	return guardian_start(&l->guardian, &duty, e);
}

/* --- what the VM calls its images ------------------------------------------------------------------------------- */

/* The node of the image, which `vm` may show by another name; NULL: it has none. */
static const json_t *find_node(const json_t *nodes, const struct chain_image *image, const struct vm_process *vm)
{
	const struct node_wanted wanted = {
		.path = image->path,
		.driver = image_format_name(image->format),
		.vm = vm,
	};

	return node_find(nodes, &wanted);
}

/* It is not for this VM to do, or not now. Always returns -1. */
static int busy(struct err *e)
{
	e->sys = EBUSY;
	return -1;
}

static int not_open(const struct chain_image *image, struct err *e)
{
	err_set(e, "the VM does not have '%s' open", image->path);
	return busy(e);
}

/* Of the images that the job is about: what QEMU calls the nodes, and by which names it shows the files. */
static int name_nodes(struct live *l, const json_t *nodes, const struct vm_process *vm, struct err *e)
{
	const struct chain *c = l->s->chain;
	size_t under = l->s->at + 1;
	const json_t *top = find_node(nodes, &c->images[0], vm), *first = find_node(nodes, &c->images[under], vm);
	const json_t *base = l->s->base < c->n ? find_node(nodes, &c->images[l->s->base], vm) : NULL;

	if (!top || !first)
		return not_open(&c->images[top ? under : 0], e);
	if (l->s->base < c->n && !base)
		return not_open(&c->images[l->s->base], e);
	l->device = text_copy(json_text(top, "node-name"));
	l->first = text_copy(json_text(first, "file"));
	l->base = text_copy(json_text(base, "file"));
	return 0;
}

/*
 * The process of the VM: the one that listens, or, where that does not have the image open (it passes on what we say, or
 * has made the socket for QEMU), the one that writes to the top.
 */
static pid_t vm_pid(struct in_use *use, const struct chain_image *top, const struct vm_process *vm)
{
	pid_t writer;

	use->allowed = 0;
	in_use_file(use, top->device, top->inode, &writer);
	return in_use_has(use, top->device, top->inode, vm->pid) ? vm->pid : writer;
}

/* No other process may use what the VM is about to change, or write to the rest of the chain. */
static int check_use(struct live *l, const struct vm_process *vm, struct err *e)
{
	const struct chain *c = l->s->chain;
	struct in_use *use = &l->s->use;

	in_use_again(use);
	use->processes = true; /* the locks are the VM's */
	use->allowed = vm_pid(use, &c->images[0], vm);
	for (size_t i = 0; i < c->n; i++)
		if (chain_image_refuse_used(&c->images[i], use, !shorten_touches(l->s, i), e) < 0) {
			err_hint(e, "the VM behind '%s' is process %d", l->s->socket, (int)use->allowed);
			return busy(e);
		}
	return 0;
}

static int find_nodes(struct live *l, struct err *e)
{
	_cleanup_json_ json_t *nodes = NULL;
	struct vm_process vm;
	int result;

	if (nodes_read(l->q, &nodes, e) < 0)
		return -1;
	vm_process_read(&vm, l->q);
	result = name_nodes(l, nodes, &vm, e);
	if (result == 0)
		result = check_use(l, &vm, e);
	vm_process_release(&vm);
	return result;
}

/* --- the job ---------------------------------------------------------------------------------------------------- */

/* Where QEMU says why the job failed. Always returns -1. */
static int job_failed(struct live *l, struct err *e)
{
	int64_t until = clock_in_ms(EVENT_MS);

	err_set(e, "QEMU's job ended too early");
	for (;;) {
		_cleanup_json_ json_t *event = NULL;
		const json_t *data;
		struct err ignored;

		if (qmp_event(l->q, until, &event, &ignored) < 0 || !event)
			break;
		data = json_object_get(event, "data");
		if (json_text(data, "device") && strcmp(json_text(data, "device"), JOB) == 0 &&
		    json_text(data, "error"))
			err_set(e, "QEMU's job failed: %s", json_text(data, "error"));
	}
	return err_hint(e, "the VM runs on with its old chain");
}

static void watch(struct live *l, bool hold)
{
	guardian_tell(&l->guardian, hold ? TELL_HOLD : TELL_RUN);
	guardian_watch(&l->guardian, hold && l->running);
	if (hold)
		cli_hold();
	else
		cli_let_go();
}

/* A command failed while the guest was held: first of all it has to run again. */
static void release(struct live *l, struct err *e)
{
	struct err why;

	interrupt_forget(l->s->interrupt);
	if (let_run(l, l->s->interrupt, &why) == 0) {
		qmp_set_interrupt(l->q, -1);
		return;
	}
	err_prefix(&why, "%s; the VM may be paused", e->text);
	*e = why;
	e->status = EXIT_PARTIAL;
	err_hint(e, "'cont' to its QMP socket lets it run");
	if (!qmp_gave_up(l->q))
		return;
	err_hint(e, "mplcr-guardian (process %d) goes on trying", (int)l->guardian.pid);
	guardian_leave(&l->guardian);
}

/* Runs a command about the job with the guest held, and the guardian knowing of it. */
static int held(struct live *l, const char *command, json_t *arguments, enum block_job_state wanted, struct err *e)
{
	int result;

	qmp_set_deadline(l->q, clock_in_ms(2 * STEP_MS));
	watch(l, true);
	result = block_job_held(l->q, command, arguments, JOB, wanted, STEP_MS, e);
	if (result < 0)
		release(l, e);
	if (!qmp_gave_up(l->q))
		watch(l, false);
	return result;
}

/* Takes the job back; the chain stays as it was. */
static int cancel(struct live *l, struct err *e)
{
	struct block_job job;

	qmp_set_deadline(l->q, clock_in_ms(STEP_MS));
	if (block_job_look(l->q, JOB, &job, e) < 0)
		return -1;
	if (job.state == BLOCK_JOB_GONE)
		return 0;
	return held(l, "block-job-cancel", json_of("{s:s, s:b}", "device", JOB, "force", true), BLOCK_JOB_GONE, e);
}

static int begin(struct live *l, struct err *e)
{
	const struct shorten *s = l->s;
	json_t *what = json_of("{s:s, s:s}", "job-id", JOB, "device", l->device);

	if (l->waits)
		json_object_set_new(what, "auto-finalize", json_false());
	if (s->down)
		json_object_set_new(what, "top", json_string(l->first));
	if (s->max_bandwidth)
		json_object_set_new(what, "speed", json_integer((json_int_t)s->max_bandwidth));
	if (l->base) {
		_cleanup_free_ char *name = merge_name(s->chain, s->at, s->base);

		json_object_set_new(what, "base", json_string(l->base));
		json_object_set_new(what, "backing-file", json_string(name));
	}
	return held(l, s->down ? "block-commit" : "block-stream", what, BLOCK_JOB_RUNS, e);
}

/* Until the job is at its end, or is gone. */
static int attend(struct live *l, struct block_job *job, struct err *e)
{
	for (;;) {
		qmp_set_deadline(l->q, clock_in_ms(STEP_MS));
		if (block_job_look(l->q, JOB, job, e) < 0)
			return -1;
		if (job->state != BLOCK_JOB_RUNS)
			return 0;
		if (job->total > 0)
			cli_progress_line("merging: %d %%", (int)(100.0 * (double)job->done / (double)job->total));
		if (interrupt_sleep(l->s->interrupt, LOOK_MS, e) < 0)
			return -1;
	}
}

static int run_job(struct live *l, struct err *e)
{
	struct block_job job;
	struct err why;

	if (begin(l, e) < 0 || attend(l, &job, e) < 0) {
		if (qmp_alive(l->q) && cancel(l, &why) < 0)
			return err_hint(e, "the job '%s' of the VM is not gone: %s", JOB, why.text);
		return -1;
	}
	if (!l->waits)
		return 0;
	if (job.state == BLOCK_JOB_GONE)
		return job_failed(l, e);
	return held(l, "block-job-finalize", json_of("{s:s}", "id", JOB), BLOCK_JOB_GONE, e);
}

/* --- afterwards ------------------------------------------------------------------------------------------------- */

/* Whether the chain is now what it was to be. */
static int check_chain(const struct live *l, struct err *e)
{
	const struct shorten *s = l->s;
	_cleanup_chain_ struct chain *now = chain_read(s->top, NULL, 0);
	size_t wanted = s->chain->n - (s->base - s->at - 1);

	if (chain_whole(now, e) < 0)
		return -1;
	if (now->n != wanted)
		return job_failed((struct live *)l, e);
	if (s->down && path_sync(s->chain->images[s->base].path, e) < 0)
		return -1;
	return path_sync(s->chain->images[s->at].path, e);
}

/* Until QEMU has closed the layers that it needs no more, or it is clear that someone else has them open. */
static void wait_closed(const struct shorten *s)
{
	int64_t until = clock_in_ms(CLOSE_MS);
	struct in_use use = { 0 };

	for (size_t i = s->first; i < s->end; i++)
		while (in_use_path(&use, s->chain->images[i].path) != IMAGE_UNUSED && !clock_over(until)) {
			clock_sleep_ms(LOOK_MS);
			in_use_again(&use);
		}
	in_use_release(&use);
}

/* While the VM is saved, or a checkpoint made, its chain is recorded as it is then. */
static int check_migration(const struct live *l, struct err *e)
{
	_cleanup_json_ json_t *migration = NULL;

	if (qmp_run(l->q, "query-migrate", NULL, &migration, e) < 0)
		return -1;
	if (vm_migration_is_over(json_text(migration, "status")))
		return 0;
	err_set(e, "the VM is being saved or migrated just now");
	return busy(e);
}

static int survey(struct live *l, struct err *e)
{
	struct vm_status status;

	l->waits = qmp_version(l->q) >= QEMU_JOB_FINALIZE;
	if (check_migration(l, e) < 0 || vm_status_read(l->q, &status, e) < 0)
		return -1;
	l->running = status.running;
	return find_nodes(l, e);
}

/* That of an earlier run that was killed together with its guardian. */
static int remove_old_job(struct live *l, struct err *e)
{
	return cancel(l, e) < 0 ? err_prefix(e, "a job of the VM from an earlier run cannot be cancelled") : 0;
}

static int shorten_in_vm(struct live *l, struct err *e)
{
	int result;

	if (survey(l, e) < 0 || start_guardian(l, e) < 0)
		return -1;
	result = remove_old_job(l, e);
	if (result == 0)
		result = shorten_store_journal(l->s, e);
	if (result == 0 && l->s->begins)
		result = l->s->begins(l->s->ctx, e);
	if (result == 0)
		result = run_job(l, e);
	guardian_dismiss(&l->guardian);
	if (result == 0)
		result = check_chain(l, e);
	cli_progress_end();
	if (result < 0)
		unlink(l->s->journal);
	else
		wait_closed(l->s);
	return result;
}

static int connect_vm(struct live *l, const char *socket, int interrupt, struct err *e)
{
	l->q = qmp_connect(socket, CONNECT_MS, interrupt, e);
	if (!l->q || qmp_take_turn(l->q, CONNECT_MS, e) < 0)
		return -1;
	qmp_set_interrupt(l->q, -1); /* between commands a signal is looked for, but none is left half done */
	qmp_set_deadline(l->q, clock_in_ms(STEP_MS));
	return 0;
}

int shorten_end_job(const char *socket, int interrupt, struct err *e)
{
	struct shorten s = { .socket = socket, .interrupt = interrupt };
	struct live l = { .s = &s };
	int result = connect_vm(&l, socket, interrupt, e);

	if (result == 0)
		result = remove_old_job(&l, e);
	qmp_close(l.q);
	return result;
}

int shorten_live(struct shorten *s, struct err *e)
{
	struct live l = { .s = s };
	int result;

	if (connect_vm(&l, s->socket, s->interrupt, e) < 0) {
		qmp_close(l.q);
		return -1;
	}
	result = s->chain->images[0].format == IMAGE_QCOW2 ? shorten_in_vm(&l, e)
							   : err_set(e, "'%s' is not a qcow2 image", s->image);
	qmp_close(l.q);
	free(l.device);
	free(l.first);
	free(l.base);
	return result;
}
