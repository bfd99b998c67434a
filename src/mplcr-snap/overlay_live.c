/* SPDX-License-Identifier: MIT */
/* Overlays on the disks of a running VM, all in one transaction: the images under them are frozen at one instant. */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/text.h"
#include "checkpoint/claim.h"
#include "qemu/guardian.h"
#include "qemu/overlay.h"
#include "qemu/overlay_name.h"
#include "qemu/overlay_set.h"
#include "qemu/qmp.h"
#include "qemu/disks.h"
#include "qemu/vm.h"

/* How long another client may sit on the socket before we say so, and how long all may take. */
#define GREETING_MS 5000
#define LIVE_MS 60000

/* One disk that is frozen. */
struct frozen {
	const struct disk *disk;
	const struct disk_choice *choice; /* --device, or NULL */
	char *overlay;                    /* absolute path */
	char *backing;                    /* what its header says */
	char node[OVERLAY_NODE_SIZE];
};

struct live {
	const struct overlay_options *options;
	struct qmp *q;
	struct guardian guardian;
	int interrupt;
	int64_t deadline;
	struct vm_process process;
	struct vm_disks vm;
	struct frozen *frozen;
	size_t n;
	struct overlay_set overlays; /* of these, when they have names */
	char name[16]; /* where the options have none */
};

static const char *live_name(const struct live *l)
{
	return l->options->name ? l->options->name : l->name;
}

/* --- which disks ------------------------------------------------------------------------------------------------ */

static int survey(struct live *l, struct err *e)
{
	l->q = qmp_connect(l->options->socket, GREETING_MS, l->interrupt, e);
	if (!l->q || qmp_take_turn(l->q, GREETING_MS, e) < 0)
		return -1;
	qmp_set_deadline(l->q, l->deadline);
	vm_process_read(&l->process, l->q);
	return vm_disks_read(&l->vm, l->q, &l->process, e);
}

static int check_devices(const struct live *l, struct err *e)
{
	for (size_t i = 0; i < l->options->devices.n; i++) {
		const char *name = l->options->devices.list[i].device;
		bool found = false;

		for (size_t k = 0; k < l->vm.n_disks; k++)
			found |= disk_has_name(&l->vm.disks[k], name);
		if (!found)
			return disk_unknown("--device", name, l->vm.disks, l->vm.n_disks, e);
	}
	return 0;
}

static int choose_disk(struct live *l, const struct disk *d, struct err *e)
{
	const struct disk_choice *choice = disk_choices_find(&l->options->devices, d);
	const char *refusal = d->refusal ? d->refusal : d->overlay_refusal;

	if (!choice && (d->read_only || l->options->devices.n > 0))
		return 0;
	if (d->read_only)
		return err_usage(e, "--device: disk '%s' is read-only, there is nothing to freeze", d->device);
	if (refusal) {
		err_set(e, "disk '%s' cannot be frozen: %s", d->device, refusal);
		return err_hint(e, "name the others with --device, or detach it");
	}
	l->frozen[l->n++] = (struct frozen){ .disk = d, .choice = choice };
	return 0;
}

static int choose_disks(struct live *l, struct err *e)
{
	if (check_devices(l, e) < 0)
		return -1;
	l->frozen = memory_of(l->vm.n_disks, sizeof(*l->frozen));
	for (size_t i = 0; i < l->vm.n_disks; i++)
		if (choose_disk(l, &l->vm.disks[i], e) < 0)
			return -1;
	return l->n > 0 ? 0 : err_set(e, "the VM has no writable disk");
}

/* --- names ------------------------------------------------------------------------------------------------------ */

static int name_overlays(const struct live *l, const char *name, struct err *e)
{
	_cleanup_free_ struct overlay_wish *list = memory_of(l->n, sizeof(*list));
	int result;

	for (size_t i = 0; i < l->n; i++)
		list[i] = (struct overlay_wish){
			.image = l->frozen[i].disk->chain[0].path,
			.device = l->frozen[i].disk->device,
			.file = l->frozen[i].choice ? l->frozen[i].choice->file : NULL,
		};
	result = overlay_name_paths(list, l->n, name, NULL, e);
	for (size_t i = 0; i < l->n; i++) {
		free(l->frozen[i].overlay);
		l->frozen[i].overlay = list[i].path;
	}
	return result;
}

/* Fills in the paths. Returns the first that exists already in *in_use, or NULL there. */
static int try_name(struct live *l, const char *name, const struct frozen **in_use, struct err *e)
{
	*in_use = NULL;
	if (name_overlays(l, name, e) < 0)
		return -1;
	for (size_t i = 0; i < l->n && !*in_use; i++) {
		struct stat st;

		if (lstat(l->frozen[i].overlay, &st) == 0)
			*in_use = &l->frozen[i];
	}
	return 0;
}

static int name_exists(const struct frozen *f, struct err *e)
{
	err_set(e, "'%s' exists", f->overlay);
	return err_hint(e, "an overlay never replaces another file");
}

static int choose_name(struct live *l, struct err *e)
{
	const struct frozen *in_use;

	if (l->options->name) {
		if (overlay_name_check(l->options->name, e) < 0 || try_name(l, l->options->name, &in_use, e) < 0)
			return -1;
		return in_use ? name_exists(in_use, e) : 0;
	}
	for (int n = 1; n < 1000000; n++) {
		snprintf(l->name, sizeof(l->name), "x%d", n);
		if (try_name(l, l->name, &in_use, e) < 0)
			return -1;
		if (!in_use)
			return 0;
		if (in_use->choice && in_use->choice->file)
			return name_exists(in_use, e);
	}
	return err_set(e, "no free name from x1 on");
}

static int plan(struct live *l, struct err *e)
{
	unsigned salt = 0;

	if (choose_disks(l, e) < 0 || choose_name(l, e) < 0)
		return -1;
	l->overlays.list = mmap(NULL, l->n * sizeof(*l->overlays.list), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* the guardian sees what is claimed */
	if (l->overlays.list == MAP_FAILED) {
		l->overlays.list = NULL;
		return err_sys(e, errno, "cannot get memory for the list of overlays");
	}
	for (size_t i = 0; i < l->n; i++) {
		struct frozen *f = &l->frozen[i];

		overlay_name_node(f->node, live_name(l), i, l->vm.nodes, l->vm.n_nodes, &salt);
		f->backing = disk_backing_name(f->disk, f->overlay);
		if (strlen(f->backing) > OVERLAY_BACKING_MAX)
			return err_sys(e, ENAMETOOLONG, "cannot put an overlay on '%s'", f->backing);
		l->overlays.list[l->overlays.n++] = (struct disk_overlay){
			.disk = f->disk,
			.path = f->overlay,
			.backing = f->backing,
			.node = f->node,
		};
	}
	return 0;
}

/* --- the freeze ------------------------------------------------------------------------------------------------- */

static void remove_overlays(const struct live *l)
{
	overlay_set_remove(&l->overlays);
	for (size_t i = 0; i < l->n; i++)
		claim_drop(l->frozen[i].disk->chain[0].path, l->frozen[i].overlay);
}

/* Whether the VM writes to the overlays: QEMU is asked as long as it lives. `interrupt` ends that. */
static int ask_patiently(const struct live *l, int interrupt, size_t *active, struct err *e)
{
	qmp_set_interrupt(l->q, interrupt);
	qmp_set_deadline(l->q, CLOCK_NEVER);
	qmp_be_patient(l->q);
	return qmp_take_over(l->q, e) < 0 ? -1 : overlay_set_count(&l->overlays, l->q, active, e);
}

/* What the guardian is told: QEMU has been asked to put the overlays on the disks. */
#define TELL_PUT 'p'

/* In the guardian: overlays that are not used go. */
static int clean_up(void *ctx, const struct guardian_story *story)
{
	const struct live *l = ctx;
	size_t active = 0;
	struct err e;

	cli_become("mplcr-guardian");
	if (story->told == TELL_PUT && ask_patiently(l, -1, &active, &e) < 0) {
		err_prefix(&e, "mplcr-snap %s, and nobody says whether the VM wrote to the overlays '%s' …", story->what,
			   l->frozen[0].overlay);
		return cli_report(&e);
	}
	if (active == 0)
		remove_overlays(l);
	err_set(&e, active ? "mplcr-snap %s; the disks are frozen: the VM writes to the overlays '%s' …"
			   : "mplcr-snap %s; the VM is as it was before",
		story->what, l->frozen[0].overlay);
	cli_report(&e);
	return EXIT_DONE;
}

/*
 * After a failure: QEMU may have frozen the disks and its answer not have come. Asked anew, it tells; a transaction is
 * whole or nothing.
 */
static int settle(struct live *l, struct err *e)
{
	size_t active = 0;
	struct err why;

	interrupt_forget(l->interrupt);
	if (ask_patiently(l, l->interrupt, &active, &why) == 0 && active == 0) {
		remove_overlays(l);
		return -1;
	}
	e->status = EXIT_PARTIAL;
	if (qmp_gave_up(l->q))
		guardian_leave(&l->guardian);
	return err_hint(e,
			active ? "the disks are frozen all the same: the VM writes to the overlays '%s' …"
			       : "nobody says whether the VM writes to the overlays: look at its query-block before "
				 "you remove '%s' …",
			l->frozen[0].overlay);
}

/* From here on the VM writes to the overlays, whatever fails. */
static int check(const struct live *l, struct err *e)
{
	size_t active;

	if (overlay_set_count(&l->overlays, l->q, &active, e) < 0)
		return -1;
	if (active != l->n)
		return err_set(e, "%zu of %zu disks do not write to their overlays", l->n - active, l->n);
	return overlay_set_sync(&l->overlays, e);
}

static int report(const struct live *l, struct err *e)
{
	json_t *disks = json_array();
	_cleanup_json_ json_t *all =
		json_of("{s:s, s:s, s:o}", "schema", "mplcr.snap.overlay-live/1", "name", live_name(l), "disks", disks);

	for (size_t i = 0; i < l->n; i++) {
		const struct frozen *f = &l->frozen[i];
		const char *frozen = f->disk->chain[0].path;

		if (!l->options->json) {
			_cleanup_free_ char *line = text_of("%s: frozen '%s', active '%s'", f->disk->device, frozen, f->overlay);

			escape_line(line);
		}
		json_array_append_new(disks,
				      json_of("{s:s, s:s, s:o, s:o}", "device", f->disk->device, "node", f->disk->node,
					      "frozen", json_string_of(frozen), "active", json_string_of(f->overlay)));
	}
	return l->options->json ? json_print(all, e) : cli_flush(e);
}

static int freeze(struct live *l, struct err *e)
{
	const struct guardian_duty duty = { .undo = clean_up, .ctx = l, .q = l->q };

	if (guardian_start(&l->guardian, &duty, e) < 0)
		return -1;
	if (overlay_set_claim(&l->overlays, &l->process, NULL, NULL, e) < 0 ||
	    overlay_set_create(&l->overlays, l->deadline, l->interrupt, e) < 0) {
		overlay_set_remove(&l->overlays);
		return -1;
	}
	for (size_t i = 0; i < l->n; i++)
		leave_claim(l->frozen[i].disk->chain[0].path, l->frozen[i].overlay);
	guardian_tell(&l->guardian, TELL_PUT);
	if (overlay_set_put(&l->overlays, l->q, e) < 0)
		return settle(l, e);
	if (check(l, e) == 0) {
		interrupt_obey(l->interrupt);
		if (report(l, e) == 0)
			return 0;
	}
	e->status = EXIT_PARTIAL;
	return err_prefix(e, "the disks are frozen, but");
}

int overlay_live(const struct overlay_options *o, struct err *e)
{
	struct live l = { .options = o, .deadline = clock_in_ms(LIVE_MS) };
	int result = -1;

	l.interrupt = interrupt_open(e);
	if (l.interrupt >= 0 && survey(&l, e) == 0 && plan(&l, e) == 0)
		result = freeze(&l, e);
	guardian_dismiss(&l.guardian);
	for (size_t i = 0; i < l.n; i++) {
		free(l.frozen[i].overlay);
		free(l.frozen[i].backing);
	}
	free(l.frozen);
	if (l.overlays.list)
		munmap(l.overlays.list, l.n * sizeof(*l.overlays.list));
	vm_disks_release(&l.vm);
	vm_process_release(&l.process);
	if (l.q)
		qmp_close(l.q);
	return result;
}
