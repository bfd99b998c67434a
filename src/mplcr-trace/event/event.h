/* SPDX-License-Identifier: MIT */
/*
 * The events that all logs are turned into. `parse` and `record` write one JSON object per line:
 *
 *   {"event":"pending","line":39,"checkpoint":1,"pending_bytes":671830016,"threshold_bytes":0}
 *
 * "event" is a name of EVENT_KINDS_X, "line" the number of the source's line (from 1), "checkpoint" the number of the
 * checkpoint in the source (from 1); all other fields are those of EVENT_FIELDS_X, in that order. A field that the
 * source does not give is absent, not 0 or null.
 */
#ifndef MPLCR_TRACE_EVENT_H
#define MPLCR_TRACE_EVENT_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * setup        a step before the first iteration: "step" tells which
 * iteration    a round of saving memory begins; for MPLM: an interval of its live stage
 * sync         dirty page bitmaps were brought up to date
 * pending      memory still to be sent
 * transferred  memory sent: in a period (spent_ms), or so far (total_transferred_bytes)
 * throttle     QEMU slows the guest down
 * switchover   the live stage is over: QEMU sends the rest while the guest is paused
 * stop         the guest was stopped
 * freeze       a disk was frozen: the guest goes on with an overlay
 * vmstate      the state of one device was saved
 * resume       the guest runs again
 * done         the migration ended: "status"
 * step         a step of mplcr-trigger ended: "step" tells which (trace.jsonl only)
 * unknown      a line that the reader does not know (only with --unknown)
 */
#define EVENT_KINDS_X(X) \
	X(setup) X(iteration) X(sync) X(pending) X(transferred) X(throttle) X(switchover) X(stop) X(freeze) X(vmstate) \
	X(resume) X(done) X(step) X(unknown)

/*
 * All fields of events: name in JSON, type (WHOLE: int64_t, REAL: double, FLAG: bool, TEXT: bytes). Units are in the
 * names; "pages" are of 4096 bytes.
 */
#define EVENT_FIELDS_X(X)                                                                                              \
	X(time_ms, REAL)                         /* since the first time stamp of the source */                        \
	X(unix_time_ms, REAL)                    /* wall clock of that first time stamp, on the event that has it */   \
	X(qemu_time_us, WHOLE)                   /* wall clock of QEMU's own stamp, of what came over QMP */           \
	X(step, TEXT)                            /* setup, step: which; stop: "background", for a snapshot */          \
	X(status, TEXT)                          /* done, setup: QEMU's word ("completed", "failed", "active") */      \
	X(uri, TEXT)                             /* setup: where the migration goes */                                 \
	X(name, TEXT)                            /* vmstate: the section's name ("0000:00:02.0/e1000", "cpu") */       \
	X(description, TEXT)                     /* vmstate: name of the device's state description ("e1000") */       \
	X(instance, WHOLE)                       /* vmstate */                                                         \
	X(version, WHOLE)                        /* vmstate */                                                         \
	X(section, WHOLE)                        /* vmstate, iteration: number of the section in the stream */         \
	X(state_bytes, WHOLE)                    /* vmstate: its size in the stream */                                 \
	X(caller, TEXT)                          /* sync: the function that asked for it */                            \
	X(device, TEXT)                          /* freeze, setup: disk, as QEMU names it */                           \
	X(node, TEXT)                            /* freeze: block node */                                              \
	X(file, TEXT)                            /* freeze, setup: the overlay; script: its path */                    \
	X(format, TEXT)                          /* freeze, setup: of that file */                                     \
	X(backing, TEXT)                         /* freeze: the image that is frozen */                                \
	X(backing_format, TEXT)                  /* freeze */                                                          \
	X(disk_bytes, WHOLE)                     /* freeze: virtual size of the disk */                                \
	X(total_pages, WHOLE)                    /* sync, setup: all pages of guest memory */                          \
	X(dirty_pages, WHOLE)                    /* sync: pages that are to be sent now ("DirtPagesCnt") */            \
	X(period_dirty_pages, WHOLE)             /* sync: pages newly found dirty in this period */                    \
	X(nondirty_pages, WHOLE)                 /* sync: MPLM's non-dirty pages, as tracked */                        \
	X(counted_nondirty_pages, WHOLE)         /* sync: the same, as counted */                                      \
	X(pending_bytes, WHOLE)                  /* pending: memory still to be sent */                                \
	X(pending_pages, WHOLE)                  /* pending: the same in pages */                                      \
	X(threshold_bytes, WHOLE)                /* pending, transferred: below it QEMU switches over ("max_size") */  \
	X(precopy_bytes, WHOLE)                  /* pending: of it, what must go before a switch to postcopy */        \
	X(postcopy_bytes, WHOLE)                 /* pending: of it, what could go after that */                        \
	X(exact, FLAG)                           /* pending: counted after a sync, or an estimate */                   \
	X(transferred_bytes, WHOLE)              /* transferred: in this period */                                     \
	X(spent_ms, REAL)                        /* length of the period; throttle, vmstate, step: what it took */     \
	X(bandwidth_bytes_per_second, REAL)      /* transferred: decoded where the source gives bits of a double */    \
	X(logged_bandwidth, WHOLE)               /* transferred: the number in the source, where it had to be decoded */ \
	X(total_transferred_bytes, WHOLE)        /* transferred: since the migration began */                          \
	X(sent_pages, WHOLE)                     /* transferred: since the migration began (normal pages) */           \
	X(zero_pages, WHOLE)                     /* transferred: since the migration began */                          \
	X(sent_nondirty_pages, WHOLE)            /* transferred, MPLM: since the migration began */                    \
	X(sent_dirty_pages, WHOLE)               /* the same, pages sent because they were dirty */                    \
	X(examined_nondirty_pages, WHOLE)        /* transferred, MPLM: pages looked at, sent or not */                 \
	X(examined_dirty_pages, WHOLE)                                                                                 \
	X(unsent_nondirty_pages, WHOLE)          /* transferred, MPLM: looked at and not sent */                       \
	X(unsent_dirty_pages, WHOLE)                                                                                   \
	X(nondirty_percent, REAL)                /* transferred, MPLM: of the pages sent or looked at, 0 to 100 */     \
	X(sync_count, WHOLE)                     /* transferred: bitmap syncs so far; sync, iteration: its number */   \
	X(dirty_pages_per_second, WHOLE)         /* transferred: rate at which the guest writes */                     \
	X(bandwidth_limit_bytes_per_second, WHOLE) /* setup: the limit set */                                          \
	X(interval_seconds, WHOLE)               /* setup, MPLM: its interval */                                       \
	X(first_nondirty, FLAG)                  /* setup, MPLM: "firstnondirty" */                                    \
	X(relax, FLAG)                           /* setup, MPLM: "relaxlivemig" */                                     \
	X(dirty_percent, WHOLE)                  /* setup, MPLM: share of dirty pages in a cycle */                    \
	X(throttle_percent, WHOLE)               /* throttle: of the guest's CPU time taken away */                    \
	X(downtime_ms, REAL)                     /* done, transferred: the pause that QEMU measured, or expects */     \
	X(setup_ms, REAL)                        /* done: as QEMU measured it */                                       \
	X(total_ms, REAL)                        /* done: as QEMU measured it */                                       \
	X(text, TEXT)                            /* unknown: the line; done: QEMU's error */                           \
	X(note, TEXT)                            /* what was decoded, or cannot be true */

#define ONE_EVENT(name) EVENT_##name,
enum event_kind { EVENT_KINDS_X(ONE_EVENT) EVENT_KINDS };
#undef ONE_EVENT

#define ONE_FIELD(name, type) FIELD_##name,
enum event_field { EVENT_FIELDS_X(ONE_FIELD) EVENT_FIELDS };
#undef ONE_FIELD

enum field_type { FIELD_IS_WHOLE, FIELD_IS_REAL, FIELD_IS_FLAG, FIELD_IS_TEXT };

/* Bytes without a terminator; may contain anything, NUL included. */
struct text {
	const char *start;
	size_t length;
};

/* The bytes of a string; none for NULL. */
struct text text_from(const char *s);
bool text_is(struct text t, const char *s);
bool text_same(struct text a, struct text b);

union field_value {
	int64_t whole;
	double real;
	bool flag;
	struct text text;
};

/*
 * One event. Only the fields in `has` are valid. Texts are borrowed: they live until the function that receives the
 * event returns.
 */
struct event {
	enum event_kind kind;
	uint64_t line;       /* in the source, from 1 */
	uint64_t checkpoint; /* in the source, from 1 */
	uint64_t has;        /* one bit per field: 1 << FIELD_… */
	union field_value at[EVENT_FIELDS];
};

static inline bool event_has(const struct event *ev, enum event_field field)
{
	return ev->has >> field & 1;
}

static inline void event_set_whole(struct event *ev, enum event_field field, int64_t value)
{
	ev->has |= UINT64_C(1) << field;
	ev->at[field].whole = value;
}

/* A value that is not finite removes the field: JSON has no such numbers. */
static inline void event_set_real(struct event *ev, enum event_field field, double value)
{
	ev->has &= ~(UINT64_C(1) << field);
	ev->has |= (uint64_t)(isfinite(value) != 0) << field;
	ev->at[field].real = value;
}

static inline void event_set_flag(struct event *ev, enum event_field field, bool value)
{
	ev->has |= UINT64_C(1) << field;
	ev->at[field].flag = value;
}

/* The bytes are borrowed. NULL sets nothing. */
void event_set_text(struct event *ev, enum event_field field, const char *text);
void event_set_bytes(struct event *ev, enum event_field field, const char *start, size_t length);

/* A size or a count that the log does not give. */
#define UNTOLD (-1)

/* The value, or `otherwise` if the event does not have it. */
int64_t event_whole(const struct event *ev, enum event_field field, int64_t otherwise);
double event_real(const struct event *ev, enum event_field field, double otherwise);

/* Whether the text field is there and is `text`. */
bool event_text_is(const struct event *ev, enum event_field field, const char *text);

/* A NUL-terminated copy of the text field, the caller's; NULL if the event does not have it. */
char *event_text_copy(const struct event *ev, enum event_field field);

/* Whether a migration in this state (QEMU's MigrationStatus) has ended. */
bool status_is_end(struct text status);

const char *event_name(enum event_kind kind);
enum field_type field_type(enum event_field field);

/* The event or field of that name, or EVENT_KINDS, EVENT_FIELDS. */
enum event_kind event_named(const char *name);
enum event_field field_named(const char *name, size_t length);

/* Takes an event; returns 0, or -1 with an error, which ends the reading. */
typedef int event_sink(void *ctx, const struct event *ev, struct err *e);

#endif
