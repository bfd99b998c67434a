/* SPDX-License-Identifier: MIT */
/*
 * Overlays that the patched QEMU makes itself, in the pause at the end of a checkpoint. Its HMP command
 * snapshot_blkdev_mplcr (hmp.c of the patch) queues them before; the limits here are its limits. Nothing can be taken
 * off the queue, and QEMU only prints errors: the second one in a checkpoint ends it. So we check everything possible
 * before, and the result after (freeze_check).
 */
#include "patched/queue.h"
#include "freeze/freeze.h"
#include "patched/kept.h"
#include "patched/settle.h"
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "qemu/overlay_name.h"

#define QUEUE_MAX 20
/* Device and file names are shorter than this. */
#define NAME_LIMIT 150

static int check_length(const char *what, const char *name, struct err *e)
{
	if (strlen(name) < NAME_LIMIT)
		return 0;
	err_set(e, "the %s '%s' is too long for the patched QEMU: %zu bytes, at most %d", what, name, strlen(name),
		NAME_LIMIT - 1);
	return err_hint(e, "choose a shorter --dir or --name, or name the overlay: --device DEV=FILE");
}

static int check_disk(const struct disk_plan *dp, struct err *e)
{
	if (!dp->disk->backend[0])
		return err_set(e, "disk '%s' has no device name, which the patched QEMU's overlays need",
			       dp->disk->device);
	if (check_length("device name", dp->disk->backend, e) < 0)
		return -1;
	return check_length("overlay's path", dp->overlay, e);
}

static struct disk_plan *disk_named(const struct plan *p, const char *backend)
{
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze && strcmp(p->disks[i].disk->backend, backend) == 0)
			return &p->disks[i];
	return NULL;
}

/*
 * An earlier try failed after queueing overlays. QEMU will make these, so this checkpoint uses them; queueing them
 * again would make QEMU fail twice, which ends it.
 */
static int take_over_queue(struct plan *p, const struct kept *k, struct err *e)
{
	for (size_t i = 0; i < k->n_queue; i++) {
		struct disk_plan *dp = disk_named(p, k->queue[i].device);
		const char *left = k->queue[i].asked ? "may have left" : "left";

		if (!dp) {
			err_set(e,
				"an earlier checkpoint that failed %s an overlay of disk '%s' queued in QEMU, and "
				"that disk is not to be frozen",
				left, k->queue[i].device);
			return err_hint(e, "freeze it too, or take this checkpoint with --engine stop");
		}
		if (access(k->queue[i].file, F_OK) == 0) {
			err_set(e,
				"an earlier checkpoint that failed %s the overlay '%s' queued in QEMU, and that "
				"file exists now",
				left, k->queue[i].file);
			return err_hint(e, "move it away: QEMU would write over it");
		}
		if (k->queue[i].asked)
			continue;
		free(dp->overlay);
		dp->overlay = text_copy(k->queue[i].file);
	}
	return 0;
}

static bool is_in_doubt(const struct kept *k, const char *file)
{
	for (size_t i = 0; i < k->n_queue; i++)
		if (k->queue[i].asked && strcmp(k->queue[i].file, file) == 0)
			return true;
	return false;
}

/* A file that may be queued is never queued again: QEMU would make it twice, the second time over the guest's data. */
static void avoid_doubt(struct disk_plan *dp, const struct kept *k)
{
	_cleanup_free_ char *stem = NULL;

	if (!is_in_doubt(k, dp->overlay))
		return;
	stem = overlay_name_stem(dp->overlay);
	for (int n = 2; is_in_doubt(k, dp->overlay) || path_exists(dp->overlay); n++) {
		_cleanup_free_ char *dir = path_dir(dp->overlay);

		free(dp->overlay);
		dp->overlay = text_of("%s/%s-%d.ovl", dir, stem, n);
	}
}

int queue_plan(struct plan *p, const struct options *o, const struct kept *k, struct err *e)
{
	size_t n = 0;

	if (p->method->needs_pause)
		return 0;
	for (size_t i = 0; i < p->n_disks; i++) {
		if (!p->disks[i].freeze)
			continue;
		avoid_doubt(&p->disks[i], k);
		if (check_disk(&p->disks[i], e) < 0)
			return -1;
		p->disks[i].node[0] = '\0'; /* QEMU names it */
		n++;
	}
	if (n > QUEUE_MAX)
		return err_set(e, "the VM has %zu disks to freeze, and the patched QEMU freezes at most %d", n,
			       QUEUE_MAX);
	if (n > 0 && plan_needs_pause(p, o)) {
		err_set(e, "the patched QEMU either makes overlays or runs a command in the pause, not both");
		return err_hint(e, "%s goes with --disks none there, or reflink, or subvolume",
				o->at_freeze ? "--at-freeze" : "--include");
	}
	if (n > 0 && k->script) {
		err_set(e,
			"this QEMU process was given a command for the pause before, and runs that instead of making "
			"overlays until it ends");
		return err_hint(e, "use --disks reflink, subvolume or none, or --engine stop, or restart QEMU");
	}
	p->queued = true;
	return plan_needs_pause(p, o) ? 0 : take_over_queue(p, k, e);
}

/* A word of an HMP command line: in quotes, with backslashes (monitor.c, get_str). Malloc'd. */
static char *hmp_word(const char *text)
{
	char *word = memory_of(2 * strlen(text) + 3, 1), *to = word;

	*to++ = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\' || *text == '\n' || *text == '\r')
			*to++ = '\\';
		*to++ = *text == '\n' ? 'n' : *text == '\r' ? 'r' : *text;
	}
	*to++ = '"';
	return word;
}

static int queue_overlay(const struct disk_plan *dp, struct qmp *q, struct err *e)
{
	_cleanup_free_ char *device = hmp_word(dp->disk->backend);
	_cleanup_free_ char *file = hmp_word(dp->overlay);
	_cleanup_free_ char *line = text_of("snapshot_blkdev_mplcr %s %s qcow2", device, file);
	_cleanup_json_ json_t *answer = NULL;
	const char *text;

	if (qmp_run(q, "human-monitor-command", json_of("{s:s}", "command-line", line), &answer, e) < 0)
		return -1;
	text = json_string_value(answer);
	if (!text || !text[0])
		return 0;
	err_set(e, "QEMU does not take the overlay of disk '%s': %.*s", dp->disk->device, (int)strcspn(text, "\r\n"),
		text);
	return err_hint(e,
			"overlays of earlier tries that failed may fill its queue of %d: restart QEMU, or take a "
			"checkpoint with --engine stop",
			QUEUE_MAX);
}

/* Notes those that are not queued yet as asked for: whoever is killed from now on leaves word of them. */
static int note_asked(const struct plan *p, struct kept *k, struct err *e)
{
	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];

		if (dp->freeze && !kept_queued(k, dp->disk->backend))
			kept_queue_add(k, dp->disk->backend, dp->overlay)->asked = true;
	}
	return kept_store(k, e);
}

int queue_overlays(const struct plan *p, struct kept *k, struct qmp *q, struct err *e)
{
	size_t at = k->n_queue;
	int result = 0;
	struct err why;

	if (settle_begin(k, q, e) < 0 || note_asked(p, k, e) < 0)
		return -1;
	for (; at < k->n_queue && result == 0; at++) {
		result = queue_overlay(disk_named(p, k->queue[at].device), q, e);
		k->queue[at].asked = result < 0;
	}
	kept_queue_cut(k, at);
	if (kept_store(k, result < 0 ? &why : e) < 0)
		return -1;
	return result;
}
