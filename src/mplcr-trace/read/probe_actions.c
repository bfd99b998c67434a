/* SPDX-License-Identifier: MIT */
/*
 * The lines of QEMU's probes that mean more than their figures: the states of a migration, bitmap syncs (function line,
 * stack, start and end are one event), sections (start, save, end and time are one event).
 */
#include "read/probe_actions.h"
#include "read/probes.h"

#include <math.h>
#include <string.h>

static struct probes *own(struct reader *r)
{
	return r->own;
}

static bool holds(const struct reader *r, enum event_kind kind)
{
	return r->held.open && r->held.ev.kind == kind;
}

/* --- states ------------------------------------------------------------------------------------------------------ */

/* QEMU before 2.11 logs numbers (qapi/migration.json of 2.9). */
static const char *const old_states[] = { "none",      "setup",  "cancelling", "cancelled", "active", "postcopy-active",
					  "completed", "failed", "colo" };

static void name_old_state(struct event *ev)
{
	const struct text *t = &ev->at[FIELD_status].text;

	if (t->length == 1 && t->start[0] >= '0' && t->start[0] <= '8')
		event_set_text(ev, FIELD_status, old_states[t->start[0] - '0']);
}

/* The command and the state after it begin one migration. */
int probe_command(struct reader *r, struct err *e)
{
	own(r)->commanded = true;
	return reader_emit_begin(r, e);
}

static int state_setup(struct reader *r, struct err *e)
{
	bool begun = own(r)->commanded;

	own(r)->commanded = false;
	return begun ? reader_emit(r, e) : reader_emit_begin(r, e);
}

int probe_set_state(struct reader *r, struct err *e)
{
	struct event *ev = &r->ev;

	name_old_state(ev);
	if (event_has(ev, FIELD_status) && status_is_end(ev->at[FIELD_status].text)) {
		ev->kind = EVENT_done;
		return reader_emit_once(r, e);
	}
	if (event_text_is(ev, FIELD_status, "setup"))
		return state_setup(r, e);
	if (event_text_is(ev, FIELD_status, "active") && !r->stage.past)
		return reader_emit(r, e);
	if (event_text_is(ev, FIELD_status, "device") || event_text_is(ev, FIELD_status, "pre-switchover")) {
		ev->kind = EVENT_switchover;
		return reader_emit_once(r, e);
	}
	return 0;
}

/* Users stop and start the guest as well: a stop only counts if a migration follows before the guest runs again. */
int probe_vm_stopped(struct reader *r, struct err *e)
{
	if (r->stage.begun && !r->stage.done)
		return reader_emit_once(r, e);
	return reader_hold(r, e);
}

int probe_vm_runs(struct reader *r, struct err *e)
{
	if (holds(r, EVENT_stop))
		reader_forget(r);
	return reader_emit_once(r, e);
}

int probe_state_header(struct reader *r, struct err *e)
{
	own(r)->iterating = false;
	own(r)->n_iterable = 0;
	return reader_emit(r, e);
}

int probe_iterate(struct reader *r, struct err *e)
{
	own(r)->iterating = true;
	return reader_emit(r, e);
}

/* Only for a background snapshot does QEMU stop the guest before saving any memory. */
int probe_vm_stop(struct reader *r, struct err *e)
{
	if (!r->stage.past)
		event_set_text(&r->ev, FIELD_step, "background");
	return probe_live_stage_over(r, e);
}

int probe_live_stage_over(struct reader *r, struct err *e)
{
	own(r)->iterating = false;
	return reader_emit_once(r, e);
}

/* The bits of the smallest normal double; as a bandwidth in bytes per millisecond, more than any machine has. */
#define LEAST_BITS (INT64_C(1) << 52)

/* In bytes per millisecond, or NAN. SystemTap prints a double as the integer with the same bits. */
static double logged_bandwidth(struct event *ev)
{
	int64_t whole = event_whole(ev, FIELD_logged_bandwidth, 0);
	double decoded;

	if (whole < LEAST_BITS)
		return (double)whole;
	memcpy(&decoded, &whole, sizeof(decoded));
	event_set_text(ev, FIELD_note, "bandwidth decoded: the log has the bits of a double");
	return isfinite(decoded) ? decoded : NAN;
}

/* Checks the bandwidth against the period's own bytes and time. */
int probe_transferred(struct reader *r, struct err *e)
{
	struct event *ev = &r->ev;
	double bytes = (double)event_whole(ev, FIELD_transferred_bytes, 0), ms = event_real(ev, FIELD_spent_ms, 0);
	double rate = ms > 0 ? bytes / ms : 0, said = event_real(ev, FIELD_bandwidth_bytes_per_second, NAN);

	if (event_has(ev, FIELD_logged_bandwidth))
		said = logged_bandwidth(ev);
	if (rate > 0 && !(fabs(said - rate) <= 0.01 * rate + 1)) {
		said = rate;
		event_set_text(ev, FIELD_note, "the logged bandwidth is impossible: computed from bytes and time");
	}
	event_set_real(ev, FIELD_bandwidth_bytes_per_second, round(said * 1000));
	return reader_emit(r, e);
}

/* --- bitmap syncs: function line, stack, start, end --------------------------------------------------------------- */

int probe_sync_begins(struct reader *r, struct err *e)
{
	if (holds(r, EVENT_sync))
		return 0;
	if (holds(r, EVENT_vmstate) && !own(r)->named && !own(r)->ended)
		reader_forget(r); /* only memory syncs inside of its section */
	return reader_hold(r, e);
}

int probe_sync_ends(struct reader *r, struct err *e)
{
	struct event *sync = &r->held.ev;
	double began;

	if (!holds(r, EVENT_sync))
		return reader_emit(r, e);
	if (event_has(&r->ev, FIELD_period_dirty_pages))
		event_set_whole(sync, FIELD_period_dirty_pages, r->ev.at[FIELD_period_dirty_pages].whole);
	began = event_real(sync, FIELD_time_ms, NAN);
	if (event_has(&r->ev, FIELD_time_ms) && !isnan(began))
		event_set_real(sync, FIELD_spent_ms, round((r->ev.at[FIELD_time_ms].real - began) * 1000) / 1000);
	return reader_release(r, e);
}

bool probes_frame(struct reader *r, struct text line)
{
	const char *end = line.start + line.length, *name, *plus;

	if (!text_begins(line, "0x") || !(name = memmem(line.start, line.length, " : ", 3)))
		return false;
	name += 3;
	plus = memmem(name, (size_t)(end - name), "+0x", 3);
	if (!plus)
		return false;
	if (holds(r, EVENT_sync) && !event_has(&r->held.ev, FIELD_caller) &&
	    !text_is((struct text){ name, (size_t)(plus - name) }, "migration_bitmap_sync"))
		reader_hold_text(r, FIELD_caller, (struct text){ name, (size_t)(plus - name) });
	return true;
}

/* --- sections: of memory in rounds, of devices at the end --------------------------------------------------------- */

static bool is_iterable(const struct probes *p, int64_t section)
{
	for (size_t i = 0; i < p->n_iterable; i++)
		if (p->iterable[i] == section)
			return true;
	return false;
}

int probe_section_begins(struct reader *r, struct err *e)
{
	struct probes *p = own(r);
	int64_t section = event_whole(&r->ev, FIELD_section, UNTOLD);
	bool known = is_iterable(p, section);

	p->sections = true;
	if (p->iterating && section != UNTOLD && !known && p->n_iterable < PROBES_ITERABLE)
		p->iterable[p->n_iterable++] = section;
	if (p->iterating || known)
		return 0;
	p->named = p->ended = false;
	return reader_hold(r, e);
}

int probe_section_ends(struct reader *r, struct err *e)
{
	(void)e;
	own(r)->ended = true;
	return 0;
}

/* The most detailed line of a section: the event gets its line number. */
int probe_device_saved(struct reader *r, struct err *e)
{
	struct probes *p = own(r);
	struct event *section = &r->held.ev;

	p->sections = true;
	if (!holds(r, EVENT_vmstate) || p->named || p->ended) {
		p->named = true;
		p->ended = false;
		return reader_hold(r, e);
	}
	p->named = true;
	section->line = r->ev.line;
	if (event_has(&r->ev, FIELD_description))
		reader_hold_text(r, FIELD_description, r->ev.at[FIELD_description].text);
	return 0;
}

static bool same_name(const struct event *a, const struct event *b)
{
	return event_has(a, FIELD_name) && event_has(b, FIELD_name) &&
	       text_same(a->at[FIELD_name].text, b->at[FIELD_name].text);
}

/*
 * The time of a section, in microseconds. The line follows the section, and also comes for devices without one; if the
 * log has no other lines of sections, it takes their place.
 */
int probe_device_time(struct reader *r, struct err *e)
{
	struct event *ev = &r->ev, *section = &r->held.ev;
	struct probes *p = own(r);

	if (event_has(ev, FIELD_spent_ms))
		ev->at[FIELD_spent_ms].real /= 1000;
	if (holds(r, EVENT_vmstate) && same_name(ev, section)) {
		event_set_whole(section, FIELD_instance, event_whole(ev, FIELD_instance, 0));
		event_set_real(section, FIELD_spent_ms, event_real(ev, FIELD_spent_ms, 0));
		return reader_release(r, e);
	}
	return ev->kind == EVENT_vmstate && p->sections ? 0 : reader_emit(r, e);
}

/* --- pending ---------------------------------------------------------------------------------------------------- */

int probe_pending_exact(struct reader *r, struct err *e)
{
	event_set_flag(&r->ev, FIELD_exact, true);
	return reader_emit(r, e);
}

int probe_pending_estimate(struct reader *r, struct err *e)
{
	event_set_flag(&r->ev, FIELD_exact, false);
	return reader_emit(r, e);
}
