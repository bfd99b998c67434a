/* SPDX-License-Identifier: MIT */
/*
 * The interface between a source and the reader of its format, and the code that readers share: numbering checkpoints,
 * and holding an event until later lines complete it.
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

/* The stage of the current checkpoint. */
struct stage {
	bool begun;    /* saw a line that only the start of a migration prints */
	bool past;     /* setup is over: a setup line belongs to the next checkpoint */
	bool switched; /* a switchover was passed on */
	bool stopped;
	bool done;
};

struct reader {
	event_sink *sink;
	void *ctx;
	struct event ev; /* of the current line: line, checkpoint and time are set */
	struct held held;
	struct stage stage;
	uint64_t checkpoint;  /* 0: before the first */
	uint64_t line;
	uint64_t event_lines; /* lines that gave events */
	uint64_t given_line;  /* the last of them */
	double first_time_ms; /* the first time stamp; see reader_time */
	bool timed;
	void *own;            /* the format's */
};

/* One format of logs. */
struct log_format {
	/* Whether the line can only be of this format. */
	bool (*recognise)(struct text line);
	/* Makes r->own; NULL if the format has none. */
	void (*begin)(struct reader *r);
	/*
	 * Takes one trimmed line (never empty) and passes its events on. Returns 1 if it knows the line, 0 if not, -1
	 * if the sink failed.
	 */
	int (*read)(struct reader *r, struct text line, struct err *e);
	/* Releases r->own. */
	void (*end)(struct reader *r);
};

extern const struct log_format format_mplm, format_stap, format_qemu, format_mplcr;

/* --- for readers (reader.c) ------------------------------------------------------------------------------------- */

/*
 * Passes r->ev on, after the held event; finds its checkpoint by its kind (struct stage). For a setup event, `begins`
 * says that only the start of a migration prints it. Returns 0 or -1.
 */
int reader_emit(struct reader *r, struct err *e);
int reader_emit_begin(struct reader *r, struct err *e);

/* The same for events that a checkpoint has only once, though several lines of a log say it. */
int reader_emit_once(struct reader *r, struct err *e);

/* Passes an event on unchanged, checkpoint number included. */
int reader_pass(struct reader *r, const struct event *ev, struct err *e);

/* Holds r->ev back, with copies of its texts; passes the previous held event on. */
int reader_hold(struct reader *r, struct err *e);

/* Sets a text of the held event to a copy. */
void reader_hold_text(struct reader *r, enum event_field field, struct text text);

/* Pass the held event on, or drop it. */
int reader_release(struct reader *r, struct err *e);
void reader_forget(struct reader *r);

/* Sets the time of r->ev, in ms of any clock; also passes on the source's first stamp, if it is wall clock. */
void reader_time(struct reader *r, double ms, bool wall_clock);

/* The bytes without blanks (and NULs, as in sparse files) at both ends. */
struct text text_trim(struct text t);

bool text_begins(struct text t, const char *head);

/* The text after the first `n` bytes. */
static inline struct text text_behind(struct text t, size_t n)
{
	return (struct text){ t.start + n, t.length - n };
}

#endif
