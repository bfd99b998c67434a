/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdarg.h>

#include "standin.h"

void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	fflush(stdout);
}

static long long pages_of(const json_t *ram, const char *key)
{
	return json_integer_value(json_object_get(ram, key)) / PAGE;
}

void say_sync(const json_t *ram)
{
	long long dirty = pages_of(ram, "remaining");

	say("<> migration_bitmap_sync: TotalPages %lld DirtPagesPeriod %lld DirtPagesCnt %lld TrackedNondirtPages %lld "
	    "ExplicitlyCountedNondirtPages %lld\n ",
	    pages_of(ram, "total"), dirty, dirty, dirty, dirty);
}

static void say_live_stage_ends(const json_t *ram)
{
	long long dirty = pages_of(ram, "remaining"), sent = pages_of(ram, "total") - dirty;

	say(" pending_size = %lld pending_pages = %f\n", dirty * PAGE, (double)dirty);
	say(" LastAccumulated TxNondirtyFSMlookfor= %lld (%lld increase) DirtyFSMlookfor=0 (0 added) "
	    "NondirtyFSMlookfor Percents is 1.000000 \n",
	    sent, sent);
	say(" LastAccumulated TxNondirtyFSMreal= %lld (%lld increase) TxDirtyFSMreal=0 NondirtyFSMreal (0 increase) "
	    "Percents is 1.000000, NotSendDirt 0 NotSendNonDirt 0\n\n",
	    sent, sent);
}

static void say_error(const char *text)
{
	fprintf(stderr, "qemu-system-x86_64: %s\n", text);
}

/* One overlay. Returns QEMU's answer. */
static json_t *make_overlay(const struct queued *q)
{
	say("mplcr: device name is %s\nmplcr: filename is %s\nmplcr: format is %s\n", q->device, q->file, q->format);
	return qemu_ask("blockdev-snapshot-sync",
			json_pack("{s:s, s:s, s:s, s:s}", "device", q->device, "snapshot-file", q->file, "format",
				  q->format, "mode", "absolute-paths"));
}

/* The queued overlays, one after the other. Of their errors the first is printed, and that is all. */
static void make_overlays(void)
{
	json_t *first = NULL;

	for (size_t i = 0; i < patch.n_queued; i++) {
		json_t *answer = make_overlay(&patch.queue[i]), *error = json_object_get(answer, "error");

		if (error && first && options.assert_second) {
			say_error("util/error.c:57: error_setv: Assertion `*errp == NULL' failed.");
			qemu_crash(SIGABRT);
		}
		if (error && !first)
			first = json_incref(error);
		json_decref(answer);
	}
	patch.n_queued = 0;
	if (first)
		say_error(text_of(first, "desc"));
	json_decref(first);
}

/* Either the script, and the queue stays as it is, or the queue. */
static void freeze(void)
{
	if (patch.script_given) {
		say("post checkpoint run: %s\n", patch.script);
		say("system return %d\n", system(patch.script));
	} else if (patch.n_queued > 0) {
		make_overlays();
	} else {
		say("mplcr: no qmp_transaction parameter defined. run VM with no new root image.\n");
	}
}

void pause_run(const json_t *ram)
{
	bool checkpoint = patch.mplm.enable && patch.live;

	say_live_stage_ends(ram);
	if (checkpoint)
		say("MPLM HACK: skip inactivate bdrv\n");
	say_sync(ram);
	if (checkpoint) {
		say("MPLM HACK: skip marking block inactive\n");
		freeze();
	}
}
