/* SPDX-License-Identifier: MIT */
/* clang-format off: a table */
/*
 * The report that the patched QEMU (MPLM, MPLCR) prints while it migrates or takes a checkpoint. In order: overlays are
 * queued, the migration starts, bitmaps are synced, the live stage runs in intervals, what is left is counted, the
 * guest stops, overlays are made, the guest runs. Facts from migration/migration.c, migration/ram.c and hmp.c of the
 * patch:
 *
 *   TotalPages                      end of the RAM address space in pages, holes counted
 *   DirtPagesPeriod                 QEMU's own count of pages found dirty; set to 0 only by a sync that comes more than
 *                                   a second after the last such one, so that it can be more than there are pages
 *   DirtPagesCnt                    pages to be sent now
 *   TrackedNondirtPages,            pages not dirtied since the first sync and not sent yet, counted two ways
 *   ExplicitlyCountedNondirtPages
 *   ...FSMlookfor                   pages that were looked at
 *   ...FSMreal                      pages that were sent
 *   Percents                        a fraction of 1
 *   mplm_wakeup_time                wall clock: first the time now, then the end of the interval
 */
/* clang-format on */
#include "read/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "read/rules.h"

#define LONGEST_NAME 256 /* the patch itself has room for 150 */

struct kept_name {
	char bytes[LONGEST_NAME];
	size_t length;
};

struct mplm {
	struct patterns *patterns;
	struct kept_name device, file; /* of the overlay being described */
	int64_t interval_seconds;      /* UNTOLD before a line gives it */
};

static struct mplm *own(struct reader *r)
{
	return r->own;
}

/* --- overlays: three lines each, when they are queued and again when they are made -------------------------------- */

static void keep(struct kept_name *name, struct text text)
{
	name->length = text.length < LONGEST_NAME ? text.length : LONGEST_NAME;
	memcpy(name->bytes, text.start, name->length);
}

static int overlay_device(struct reader *r, struct err *e)
{
	(void)e;
	keep(&own(r)->device, r->ev.at[FIELD_device].text);
	own(r)->file.length = 0;
	return 0;
}

static int overlay_file(struct reader *r, struct err *e)
{
	(void)e;
	keep(&own(r)->file, r->ev.at[FIELD_file].text);
	return 0;
}

/* The last of the three. In the pause QEMU makes the overlay, else it queues it. */
static int overlay_format(struct reader *r, struct err *e)
{
	const struct mplm *m = own(r);

	if (m->device.length)
		event_set_bytes(&r->ev, FIELD_device, m->device.bytes, m->device.length);
	if (m->file.length)
		event_set_bytes(&r->ev, FIELD_file, m->file.bytes, m->file.length);
	if (r->stage.stopped) {
		r->ev.kind = EVENT_freeze;
		return reader_hold(r, e);
	}
	event_set_text(&r->ev, FIELD_step, "queue");
	return reader_emit(r, e);
}

/* Completes the preceding freeze. An image made while the guest runs is not part of a checkpoint. */
static int formatting(struct reader *r, struct err *e)
{
	struct event *freeze = &r->held.ev, *ev = &r->ev;

	if (!r->stage.stopped)
		return 0;
	if (!r->held.open || freeze->kind != EVENT_freeze)
		return reader_emit(r, e);
	if (event_has(ev, FIELD_disk_bytes))
		event_set_whole(freeze, FIELD_disk_bytes, ev->at[FIELD_disk_bytes].whole);
	if (event_has(ev, FIELD_backing))
		reader_hold_text(r, FIELD_backing, ev->at[FIELD_backing].text);
	if (event_has(ev, FIELD_backing_format))
		reader_hold_text(r, FIELD_backing_format, ev->at[FIELD_backing_format].text);
	return reader_release(r, e);
}

/* --- times ------------------------------------------------------------------------------------------------------ */

static int interval(struct reader *r, struct err *e)
{
	own(r)->interval_seconds = event_whole(&r->ev, FIELD_interval_seconds, UNTOLD);
	return reader_emit(r, e);
}

static int first_nondirty(struct reader *r, struct err *e)
{
	event_set_flag(&r->ev, FIELD_first_nondirty, true);
	return interval(r, e);
}

static int not_first_nondirty(struct reader *r, struct err *e)
{
	event_set_flag(&r->ev, FIELD_first_nondirty, false);
	return interval(r, e);
}

/* The patterns put seconds into unix_time_ms and microseconds into time_ms. */
static int iteration_at(struct reader *r, double earlier_s, struct err *e)
{
	struct event *ev = &r->ev;
	double ms =
		(event_real(ev, FIELD_unix_time_ms, 0) - earlier_s) * 1000 + event_real(ev, FIELD_time_ms, 0) / 1000;

	ev->has &= ~(UINT64_C(1) << FIELD_unix_time_ms);
	reader_time(r, ms, true);
	return reader_emit(r, e);
}

static int first_interval(struct reader *r, struct err *e)
{
	return iteration_at(r, 0, e);
}

/* The line gives the end of the interval that begins now. */
static int next_interval(struct reader *r, struct err *e)
{
	if (own(r)->interval_seconds != UNTOLD)
		return iteration_at(r, (double)own(r)->interval_seconds, e);
	r->ev.has &= ~(UINT64_C(1) << FIELD_unix_time_ms | UINT64_C(1) << FIELD_time_ms);
	return reader_emit(r, e);
}

/* --- figures ---------------------------------------------------------------------------------------------------- */

static int sync_counts(struct reader *r, struct err *e)
{
	struct event *ev = &r->ev;

	if (event_whole(ev, FIELD_period_dirty_pages, 0) > event_whole(ev, FIELD_total_pages, INT64_MAX))
		event_set_text(ev, FIELD_note,
			       "period_dirty_pages cannot be of one period: it holds the one before as well");
	return reader_emit(r, e);
}

static int percents(struct reader *r, struct err *e)
{
	if (event_has(&r->ev, FIELD_nondirty_percent))
		event_set_real(&r->ev, FIELD_nondirty_percent, r->ev.at[FIELD_nondirty_percent].real * 100);
	return reader_emit(r, e);
}

/* QEMU prints both only in the migration state "completed". */
static int completed(struct reader *r, struct err *e)
{
	r->ev.kind = EVENT_done;
	event_set_text(&r->ev, FIELD_status, "completed");
	return reader_emit_once(r, e);
}

static int completed_and_runs(struct reader *r, struct err *e)
{
	if (completed(r, e) < 0)
		return -1;
	r->ev.kind = EVENT_resume;
	r->ev.has &= ~(UINT64_C(1) << FIELD_status);
	return reader_emit(r, e);
}

/* --- the table -------------------------------------------------------------------------------------------------- */

/* clang-format off: rows of a table */
static const struct rule rules[] = {
	{ "mplcr: device name is {device}", CONTEXT, NULL, overlay_device },
	{ "mplcr: filename is {file}", CONTEXT, NULL, overlay_file },
	{ "mplcr: format is {format}", EVENT_setup, NULL, overlay_format },
	{ "Formatting '{file}', fmt={format} size={disk_bytes} backing_file={backing} backing_fmt={backing_format} "
	  "encryption={}",
	  EVENT_freeze, NULL, formatting },
	{ "Formatting '{file}', fmt={format} {}", EVENT_freeze, NULL, formatting },

	{ "Enable live checkpointing.{}", EVENT_setup, "live_checkpointing", NULL },
	{ "Enable max migration rate limit = {bandwidth_limit_bytes_per_second}.", EVENT_setup, "rate_limit", NULL },
	{ "qmp_post_checkpointing: script = {file}", EVENT_setup, "script", NULL },
	{ "qmp_migrate: Start performing migration!", EVENT_setup, "migrate", reader_emit_begin },
	{ "Start MPLM migration", EVENT_setup, "mplm", NULL },
	{ "MPLM: flag = {}, mplm_interval = {interval_seconds}", EVENT_setup, "mplm", interval },
	{ "Performing MPLM with firstnondirty flag and interval {interval_seconds} and relax = {relax}", EVENT_setup,
	  "mplm", first_nondirty },
	{ "Performaing MPLM WITHOUT firstnondirty flag interval {interval_seconds} and relax = {relax}", EVENT_setup,
	  "mplm", not_first_nondirty },
	{ "MPLM enabled with firstnondirty flag and interval {interval_seconds} and relax = {relax}", EVENT_setup,
	  "mplm", first_nondirty },
	{ "MPLM enabled WITHOUT firstnondirty flag interval {interval_seconds} and relax = {relax}", EVENT_setup,
	  "mplm", not_first_nondirty },
	{ "with {dirty_percent} percents of dirty pages per cycle", EVENT_setup, "mplm", NULL },
	{ "and {dirty_percent} percents of dirty pages per cycle", EVENT_setup, "mplm", NULL },
	{ "MPLM disabled: {}", EVENT_setup, "precopy", NULL },
	{ "out migrate_init", EVENT_setup, "init", NULL },
	{ "MPLM Debug: max rate limit is set", EVENT_setup, "rate_limit", NULL },

	{ "<> migration_bitmap_sync: TotalPages {total_pages} DirtPagesPeriod {period_dirty_pages} "
	  "DirtPagesCnt {dirty_pages} TrackedNondirtPages {nondirty_pages} "
	  "ExplicitlyCountedNondirtPages {counted_nondirty_pages}",
	  EVENT_sync, NULL, sync_counts },
	{ "RSI: mplm_wakeup_time sec {unix_time_ms} usec {time_ms}", EVENT_iteration, NULL, first_interval },
	{ "RSI: mplm_wakeup_time + {} sec {} usec {}", CONTEXT, NULL, NULL },
	{ "RSI({}): new mplm_wakeup_time: wake.tv_sec {unix_time_ms} wake.tv_usec {time_ms}", EVENT_iteration, NULL,
	  next_interval },
	{ "<{}> mplm_bitmap_sync_interval = {spent_ms} ms", EVENT_step, "interval", NULL },
	{ "pending_size = {pending_bytes} pending_pages = {pending_pages}.{}", EVENT_pending, NULL, NULL },

	{ "LastAccumulated TxNondirtyFSMlookfor= {examined_nondirty_pages} ({} increase) "
	  "DirtyFSMlookfor={examined_dirty_pages} ({} added) NondirtyFSMlookfor Percents is {nondirty_percent}",
	  EVENT_transferred, NULL, percents },
	{ "Accumulated TxNondirtyFSMlookfor= {examined_nondirty_pages} ({} increase) "
	  "TxDirtyFSMlookfor={examined_dirty_pages} ({} increase) NondirtyFSMlookfor Percents is {nondirty_percent}",
	  EVENT_transferred, NULL, percents },
	{ "LastAccumulated TxNondirtyFSMreal= {sent_nondirty_pages} ({} increase) TxDirtyFSMreal={sent_dirty_pages} "
	  "NondirtyFSMreal ({} increase) Percents is {nondirty_percent}, NotSendDirt {unsent_dirty_pages} "
	  "NotSendNonDirt {unsent_nondirty_pages}",
	  EVENT_transferred, NULL, percents },
	{ "Accumulated TxNondirtyFSMreal= {sent_nondirty_pages} ({} increase) TxDirtyFSMreal={sent_dirty_pages} "
	  "({} increase) NondirtyFSMreal Percents is {nondirty_percent}",
	  EVENT_transferred, NULL, percents },
	{ "NotSendDirt {unsent_dirty_pages} NotSendNonDirt {unsent_nondirty_pages}", EVENT_transferred, NULL, NULL },
	{ "ERROR: NondirtyFSMlookfor= {examined_nondirty_pages} DirtyFSMlookfor={examined_dirty_pages}",
	  EVENT_transferred, NULL, NULL },
	{ "ERROR: NondirtyFSMreal= {sent_nondirty_pages} DirtyFSMreal={sent_dirty_pages}", EVENT_transferred, NULL,
	  NULL },

	{ "pending: mplm_live_migration_stage_finish is ON", EVENT_switchover, NULL, reader_emit_once },
	{ "MPLM HACK: skip inactivate bdrv", EVENT_stop, NULL, reader_emit_once },
	{ "MPLM HACK: skip marking block inactive", CONTEXT, NULL, NULL },
	{ "post checkpoint run: {file}", EVENT_freeze, "script", NULL },
	{ "MPLCR: Resume VM computation on the source host", EVENT_resume, NULL, completed_and_runs },
	{ "MPLM: VM paused on the source host", EVENT_done, NULL, completed },

	{ "RSI: set bitmap sync flag; out of while loop", CONTEXT, NULL, NULL },
	{ "(RSI: rsi_entry, {}", CONTEXT, NULL, NULL },
	{ "RSB: No dirty pages found! Change to do S0_NonDirty!", CONTEXT, NULL, NULL },
	{ "S{}_NonDirty: Live migration is going to finish", CONTEXT, NULL, NULL },
	{ "mplm_find_{}", CONTEXT, NULL, NULL },
	{ "system return {}", CONTEXT, NULL, NULL },
	{ "mplcr: no qmp_transaction parameter defined. {}", CONTEXT, NULL, NULL },
	{ "Disable live checkpointing.", CONTEXT, NULL, NULL },
	{ "Disable max migration rate limit{}", CONTEXT, NULL, NULL },
	{ "qmp_post_checkpointing: {}", CONTEXT, NULL, NULL },
	{ "Enable live migration extension capability!{}", CONTEXT, NULL, NULL },
	{ "End live migration extension capability!{}", CONTEXT, NULL, NULL },
	{ "qmp_migrate_incoming: {}", CONTEXT, NULL, NULL },
	{ "MPLCR live checkpoining is ON. Pause the VM", CONTEXT, NULL, NULL },
};
/* clang-format on */

#define RULES (sizeof(rules) / sizeof(rules[0]))

static bool recognise(struct text line)
{
	static const char *const heads[] = { "<> migration_bitmap_sync:", "mplcr: ",   "MPLCR: ", "MPLM", "Start MPLM ",
					     "qmp_migrate: Start",        "RSI: mplm_" };

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (text_begins(line, heads[i]))
			return true;
	return false;
}

static void begin(struct reader *r)
{
	struct mplm *m = memory_of(1, sizeof(*m));

	m->patterns = patterns_new(rules, RULES);
	m->interval_seconds = UNTOLD;
	r->own = m;
}

static int read_line(struct reader *r, struct text line, struct err *e)
{
	static const char prompt[] = "(qemu) ";

	if (text_begins(line, prompt))
		line = text_behind(line, sizeof(prompt) - 1);
	for (size_t i = 0; i < RULES; i++)
		if (pattern_match(own(r)->patterns, i, line, &r->ev))
			return rule_apply(r, &rules[i], e);
	return 0;
}

static void end(struct reader *r)
{
	patterns_free(own(r)->patterns);
	free(r->own);
}

const struct log_format format_mplm = { recognise, begin, read_line, end };
