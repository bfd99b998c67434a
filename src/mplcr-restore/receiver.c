/* SPDX-License-Identifier: MIT */
/*
 * --receiver: a checkpoint whose state was sent into a paused QEMU goes on there. Everything is looked at before
 * anything is changed. Then each disk that would write a frozen image gets a fresh overlay, all in one transaction, and
 * the guest runs; from the transaction on there is no way back, only one forward.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "qemu/image_path.h"
#include "base/json.h"
#include "qemu/vm.h"
#include "restore.h"

/* How long the receiver may take for the change to its overlays, whatever is left of --timeout. */
#define TRANSACTION_MS 60000

/* What a disk of the receiver has to do with the image that the checkpoint froze. */
enum relation {
	RELATION_NONE,    /* the frozen image is not in its chain */
	RELATION_ACTIVE,  /* the overlay that the VM went on to write is in its chain */
	RELATION_OVERLAY, /* the frozen image is one of its backing files */
	RELATION_FROZEN,  /* it is the frozen image itself */
};

struct receiver {
	struct plan *p;
	struct vm *vm;
	struct vm_process process;
	json_t *blocks;         /* query-block */
	const json_t **entries; /* of each disk of the manifest: its entry in `blocks` */
};

static void receiver_release(struct receiver *r)
{
	vm_process_release(&r->process);
	json_decref(r->blocks);
	free(r->entries);
}

static int connect_receiver(struct receiver *r, struct err *e)
{
	struct vm *vm = r->vm;

	vm->qmp = qmp_connect(r->p->socket, (int)r->p->o->timeout_ms, vm->interrupt, e);
	if (!vm->qmp) {
		if (e->sys == ECONNREFUSED)
			err_hint(e, "where that QEMU has ended, the state that it had is lost");
		return -1;
	}
	vm->greeted = clock_ns();
	qmp_set_deadline(vm->qmp, vm->deadline);
	vm_process_read(&r->process, vm->qmp);
	vm->pid = r->process.pid;
	return 0;
}

/* The state is there, and the guest has not run since. */
static int check_state(struct receiver *r, struct err *e)
{
	const struct manifest *m = r->p->m;
	struct vm_status status;

	if (vm_wait_loaded(r->vm, e) < 0 || vm_status_read(r->vm->qmp, &status, e) < 0)
		return clock_over(r->vm->deadline) ? err_hint(e, "a larger --timeout gives it more time") : -1;
	if (!status.running && (strcmp(status.state, "paused") == 0 ||
				(m->run_state && strcmp(status.state, m->run_state) == 0)))
		return 0;
	err_set(e, "the QEMU at '%s' is no receiver that waits with a loaded state: its run state is '%s'",
		r->p->socket, status.state[0] ? status.state : "unknown");
	return err_hint(e, "--receiver is the QMP socket of the QEMU that was started with -incoming to take the "
			   "state of the checkpoint, sent to '%s'", m->receiver);
}

/* tcp:HOST:PORT, or the like of another scheme over TCP, as a patched QEMU may have it. */
static bool is_tcp(const char *uri)
{
	size_t scheme = strcspn(uri, ":");

	return uri[scheme] && scheme >= 3 && strncmp(uri + scheme - 3, "tcp", 3) == 0;
}

/* Two checkpoints of one VM may wait in two receivers: the port tells them apart, where QEMU was given one. */
static int check_port(const struct receiver *r, struct err *e)
{
	const char *sent = strrchr(r->p->m->receiver, ':') + 1, *port = NULL, *uri = NULL;

	for (char **arg = r->process.proc.argv; arg && *arg && arg[1]; arg++)
		if (strcmp(*arg, "-incoming") == 0 || strcmp(*arg, "--incoming") == 0)
			uri = arg[1];
	if (uri && is_tcp(uri))
		port = strrchr(uri, ':') + 1;
	if (!port || (strncmp(port, sent, strlen(sent)) == 0 && strchr(",", port[strlen(sent)])))
		return 0;
	err_set(e, "the state was sent to '%s', but this receiver was started with -incoming %s", r->p->m->receiver,
		uri);
	if (r->p->o->force) {
		cli_warn("%s", e->text);
		return 0;
	}
	return err_hint(e, "it may hold another checkpoint; --force goes on, for a port that was forwarded");
}

static int check_machine(const struct receiver *r, struct err *e)
{
	_cleanup_json_ json_t *type = NULL;
	const char *machine = r->p->m->machine, *have;
	size_t n = strlen(machine);

	if (qmp_run(r->vm->qmp, "qom-get", json_of("{s:s, s:s}", "path", "/machine", "property", "type"), &type, e) < 0)
		return -1;
	have = json_string_value(type);
	if (have && strncmp(have, machine, n) == 0 && (!have[n] || strcmp(have + n, "-machine") == 0))
		return 0;
	return err_set(e, "the receiver's machine is '%s', that of the checkpoint '%s'", have ? have : "unknown",
		       machine);
}

static char *path_of(const struct receiver *r, const json_t *image)
{
	const char *shown = json_text(image, "filename");

	return shown ? vm_image_path(&r->process, shown) : NULL;
}

static json_t *top_image(const json_t *entry)
{
	return json_path(entry, "inserted", "image", NULL);
}

static enum relation relation_of(const struct receiver *r, const struct manifest_disk *disk, const json_t *entry)
{
	const json_t *top = top_image(entry);

	for (const json_t *image = top; image; image = json_object_get(image, "backing-image")) {
		_cleanup_free_ char *path = path_of(r, image);

		if (!path)
			continue;
		if (image_same(path, disk->chain[0].path))
			return image == top ? RELATION_FROZEN : RELATION_OVERLAY;
		if (disk->active && image_same(path, disk->active))
			return RELATION_ACTIVE;
	}
	return RELATION_NONE;
}

static bool is_named(const struct manifest_disk *disk, const json_t *entry)
{
	const char *backend = json_text(entry, "device"), *qdev = json_text(entry, "qdev");
	const char *node = json_string_value(json_path(entry, "inserted", "node-name", NULL));

	return (backend && strcmp(backend, disk->device) == 0) || (node && strcmp(node, disk->device) == 0) ||
	       (qdev && disk->qdev && strcmp(qdev, disk->qdev) == 0);
}

/* The receiver's disk: the one of the same name, else the one with the images. */
static const json_t *find_entry(const struct receiver *r, const struct manifest_disk *disk)
{
	const json_t *entry, *found = NULL;
	size_t i;

	json_array_foreach(r->blocks, i, entry)
		if (top_image(entry) && is_named(disk, entry))
			return entry;
	json_array_foreach(r->blocks, i, entry)
		if (!found && relation_of(r, disk, entry) >= RELATION_OVERLAY)
			found = entry;
	return found;
}

static int wrong_image(const struct manifest_disk *disk, const json_t *entry, enum relation relation, struct err *e)
{
	const char *top = json_text(top_image(entry), "filename");

	if (relation == RELATION_ACTIVE)
		err_set(e, "disk '%s' of the receiver ('%s') has the backing file '%s', which the VM went on to write",
			disk->device, top ? top : "?", disk->active);
	else
		err_set(e, "disk '%s' of the receiver ('%s') does not have the frozen image '%s' as its backing file",
			disk->device, top ? top : "?", disk->chain[0].path);
	return err_hint(e, "start a receiver with the images that the VM has open, or with overlays on them, and take "
			   "a checkpoint into it");
}

static int check_disk(struct receiver *r, size_t i, struct err *e)
{
	const struct manifest_disk *disk = &r->p->m->disks[i];
	const json_t *entry = r->entries[i] = find_entry(r, disk);
	int64_t size = json_int(top_image(entry), "virtual-size", -1);
	enum relation relation;

	if (!entry)
		return err_set(e, "the receiver has no disk '%s', and no overlay of '%s'", disk->device,
			       disk->chain[0].path);
	relation = relation_of(r, disk, entry);
	if (relation < RELATION_OVERLAY)
		return wrong_image(disk, entry, relation, e);
	if (size < 0 || (uint64_t)size != disk->virtual_size)
		return err_set(e, "disk '%s' of the receiver has %lld bytes for the guest, that of the checkpoint %llu",
			       disk->device, (long long)size, (unsigned long long)disk->virtual_size);
	if (json_flag(json_object_get(entry, "inserted"), "ro") != disk->read_only)
		return err_set(e, "disk '%s' is %s in the receiver, and was not so in the VM", disk->device,
			       disk->read_only ? "writable" : "read-only");
	r->p->c.used[i] = relation == RELATION_FROZEN && !disk->read_only;
	return 0;
}

/* Whether the entry is a disk that is about to get an overlay. */
static bool gets_overlay(const struct receiver *r, const json_t *entry)
{
	for (size_t i = 0; i < r->p->m->n_disks; i++)
		if (r->entries[i] == entry && r->p->c.used[i])
			return true;
	return false;
}

static bool is_frozen(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->n_disks; i++)
		for (size_t j = 0; j < m->disks[i].n_chain; j++)
			if (image_same(path, m->disks[i].chain[j].path))
				return true;
	return false;
}

/* No other disk of the receiver writes to an image of the checkpoint. */
static int check_writers(const struct receiver *r, struct err *e)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(r->blocks, i, entry) {
		_cleanup_free_ char *path = top_image(entry) ? path_of(r, top_image(entry)) : NULL;
		const char *backend = json_text(entry, "device");

		if (!path || json_flag(json_object_get(entry, "inserted"), "ro") || gets_overlay(r, entry))
			continue;
		if (is_frozen(r->p->m, path))
			return err_set(e, "the receiver's disk '%s' would write to the frozen image '%s'",
				       backend ? backend : "", path);
	}
	return 0;
}

static int check_disks(struct receiver *r, struct err *e)
{
	if (qmp_run(r->vm->qmp, "query-block", NULL, &r->blocks, e) < 0)
		return -1;
	r->entries = memory_of(r->p->m->n_disks, sizeof(*r->entries));
	for (size_t i = 0; i < r->p->m->n_disks; i++)
		if (check_disk(r, i, e) < 0)
			return -1;
	return check_writers(r, e);
}

/* Hands a file of the run directory, or the directory, to QEMU's user, where it runs as another one. */
static int give_to_qemu(const struct receiver *r, const char *path, struct err *e)
{
	if (file_give(AT_FDCWD, path, r->process.uid, r->process.gid) == 0)
		return 0;
	return err_sys(e, errno, "cannot give '%s' to the receiver's user", path);
}

static json_t *receiver_action(const struct receiver *r, size_t i)
{
	const char *node = json_string_value(json_path(r->entries[i], "inserted", "node-name", NULL));
	_cleanup_free_ char *new_node = text_of("mplcr-receiver-%zu", i);

	return overlay_action(json_text(r->entries[i], "device"), node ? node : "", r->p->overlays[i], new_node);
}

/* Makes the overlays that are needed, and the transaction that puts them on; an empty list where none is. */
static int make_overlays(const struct receiver *r, json_t *actions, struct err *e)
{
	struct plan *p = r->p;
	bool any = false;

	for (size_t i = 0; i < p->m->n_disks; i++)
		any |= p->c.used[i];
	if (!any)
		return 0;
	if (prepare_run(p, r->vm->interrupt, e) < 0 || give_to_qemu(r, p->dir, e) < 0)
		return -1;
	for (size_t i = 0; i < p->m->n_disks; i++) {
		if (!p->c.used[i])
			continue;
		if (give_to_qemu(r, p->overlays[i], e) < 0)
			return -1;
		json_array_append_new(actions, receiver_action(r, i));
	}
	return 0;
}

static int part_way(const struct receiver *r, struct err *e)
{
	e->status = EXIT_PARTIAL;
	if (!qmp_alive(r->vm->qmp))
		return err_hint(e, "the receiver may use the overlays in '%s'; where it has ended, remove that "
				   "directory", r->p->dir);
	return err_hint(e, "the receiver has the overlays in '%s': the same command goes on from there", r->p->dir);
}

/* All overlays at once. An error that QEMU answers leaves its disks as they were. */
static int put_overlays(const struct receiver *r, json_t *actions, struct err *e)
{
	struct qmp *q = r->vm->qmp;

	if (json_array_size(actions) == 0)
		return 0;
	qmp_set_interrupt(q, -1);
	qmp_set_deadline(q, clock_in_ms(TRANSACTION_MS));
	if (qmp_run(q, "transaction", json_of("{s:O}", "actions", actions), NULL, e) == 0)
		return vm_check_disks(r->vm, r->p, e) < 0 ? part_way(r, e) : 0;
	if (!qmp_alive(q))
		return part_way(r, e);
	return err_prefix(e, "the receiver cannot put overlays on its disks");
}

/* For the report: the overlays that were there already. */
static void name_overlays(struct receiver *r)
{
	struct plan *p = r->p;

	for (size_t i = 0; i < p->m->n_disks; i++) {
		if (p->c.used[i] || !p->overlays[i])
			continue;
		free(p->overlays[i]);
		p->overlays[i] = path_of(r, top_image(r->entries[i]));
		p->c.used[i] = true;
	}
}

static int resume(struct receiver *r, struct err *e)
{
	_cleanup_json_ json_t *actions = json_array();

	if (make_overlays(r, actions, e) < 0 || put_overlays(r, actions, e) < 0) {
		if (e->status != EXIT_PARTIAL)
			prepare_undo(r->p);
		return -1;
	}
	if (!r->p->o->paused && vm_run_guest(r->vm, e) < 0)
		return r->p->made_dir ? part_way(r, e) : -1;
	r->vm->running = clock_ns();
	name_overlays(r);
	return 0;
}

int receiver_resume(struct vm *vm, struct plan *p, struct err *e)
{
	struct receiver r = { .p = p, .vm = vm };
	int result = -1;

	if (connect_receiver(&r, e) == 0 && check_state(&r, e) == 0 && check_port(&r, e) == 0 &&
	    check_machine(&r, e) == 0 && check_disks(&r, e) == 0)
		result = resume(&r, e);
	cli_progress_end();
	receiver_release(&r);
	return result;
}
