/* SPDX-License-Identifier: MIT */
/*
 * What a source hands to the reader of its format, and what the readers share: the numbering of checkpoints, and an
 * event that waits for the lines that complete it.
 */
#ifndef MPLCR_TRACE_READER_H
#define MPLCR_TRACE_READER_H

#include "event/event.h"

#define HELD_BYTES 1024

/* An event that later lines complete. Its texts are copies. */
struct held {
	bool open;
	struct event ev;
	size_t used;
	char bytes[HELD_BYTES];
};

/* What has been seen of the checkpoint that the log is in. */
struct stage {
	bool begun;    /* a line that only the start of a migration prints */
	bool past;     /* setup is over: a setup line is of the next checkpoint */
	bool switched; /* a switchover was given on */
	bool stopped;
	bool done;
};

struct reader {
	event_sink *sink;
	void *ctx;
	struct event ev;      /* of the line that is being read: line, checkpoint and time are set */
	struct held held;
	struct stage stage;
	uint64_t checkpoint;  /* 0: before the first */
	uint64_t line;
	uint64_t event_lines; /* lines of which events were given on */
	uint64_t given_line;  /* the last of them */
	double first_time_ms; /* the first time stamp; see reader_time */
	bool timed;
	void *own;            /* the format's */
};

/* One format of logs. */
struct log_format {
	/* Whether only this format has such a line. */
	bool (*recognise)(struct text line);
	/* Makes r->own, or NULL where there is none. */
	void (*begin)(struct reader *r);
	/*
	 * Takes one line without blanks at its ends (never empty) and gives on the events that came of it. Returns 1
	 * where it knows the line, 0 where not, -1 where the sink failed.
	 */
	int (*read)(struct reader *r, struct text line, struct err *e);
	/* Releases r->own. */
	void (*end)(struct reader *r);
};

extern const struct log_format format_mplm, format_stap, format_qemu, format_mplcr;

/* --- for readers (reader.c) ------------------------------------------------------------------------------------- */

/*
 * Gives r->ev on, after what is held: decides which checkpoint it is of by its kind (struct stage). For an event of the
 * kind setup, `begins` says that only the start of a migration prints it. Returns 0 or -1.
 */
int reader_emit(struct reader *r, struct err *e);
int reader_emit_begin(struct reader *r, struct err *e);

/* The same for events of which a checkpoint has one only, though several lines of a log say it. */
int reader_emit_once(struct reader *r, struct err *e);

/* Gives an event on as it is, the number of its checkpoint too. */
int reader_pass(struct reader *r, const struct event *ev, struct err *e);

/* Holds r->ev back, with copies of its texts; what was held before is given on. */
int reader_hold(struct reader *r, struct err *e);

/* Sets a text of the held event to a copy. */
void reader_hold_text(struct reader *r, enum event_field field, struct text text);

/* Gives on what is held, or forgets it. */
int reader_release(struct reader *r, struct err *e);
void reader_forget(struct reader *r);

/* Sets the time of r->ev, in ms of any clock; the source's first stamp is also given as it is, if of the wall clock. */
void reader_time(struct reader *r, double ms, bool wall_clock);

/* The bytes without blanks (and NULs, which a sparse file may have) at both ends. */
struct text text_trim(struct text t);

bool text_begins(struct text t, const char *head);

/* What is behind the first `n` bytes. */
static inline struct text text_behind(struct text t, size_t n)
{
	return (struct text){ t.start + n, t.length - n };
}

#endif
