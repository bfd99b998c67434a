/* SPDX-License-Identifier: MIT */
/* Opens a log, recognises its format and passes it to the format's reader, line by line. */
#include "read/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/memory.h"
#include "base/lines.h"
#include "checkpoint/names.h"
#include "read/reader.h"

/* The part of an unknown line to show. */
#define SHOWN_BYTES 1024

/* In the order of trial; enum format is the index. */
static const struct {
	const char *name;
	const struct log_format *format;
} formats[] = {
	[FORMAT_AUTO] = { "auto", NULL },
	[FORMAT_MPLM] = { "mplm", &format_mplm },
	[FORMAT_STAP] = { "stap", &format_stap },
	[FORMAT_QEMU] = { "qemu", &format_qemu },
	[FORMAT_MPLCR] = { "mplcr", &format_mplcr },
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

const char *format_name(enum format format)
{
	return formats[format].name;
}

struct cli_word format_word(size_t i)
{
	return (struct cli_word){ .word = i < FORMATS ? formats[i].name : NULL };
}

/* --- recognition ------------------------------------------------------------------------------------------------ */

static enum format format_of_line(struct text line)
{
	line = text_trim(line);
	for (enum format f = 0; line.length > 0 && f < FORMATS; f++)
		if (formats[f].format && formats[f].format->recognise(line))
			return f;
	return FORMAT_AUTO;
}

/* The look ahead into the log: whole lines, from the end of the last look on. */
struct look {
	size_t looked;
	enum format found;
};

static bool look(void *ctx, const char *bytes, size_t size)
{
	struct look *l = ctx;
	const char *feed;

	while (l->found == FORMAT_AUTO && (feed = memchr(bytes + l->looked, '\n', size - l->looked)) != NULL) {
		size_t length = (size_t)(feed - (bytes + l->looked));

		l->found = format_of_line((struct text){ bytes + l->looked, length < LINES_MAX ? length : LINES_MAX });
		l->looked += length + 1;
	}
	return l->found != FORMAT_AUTO;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

struct source {
	struct lines *lines;
	struct reader reader;
	const struct log_format *format; /* NULL: not recognised yet */
	struct source_stats *stats;
};

static void begin(struct source *s, enum format format)
{
	s->stats->format = format;
	s->format = formats[format].format;
	if (s->format && s->format->begin)
		s->format->begin(&s->reader);
}

static int give_unknown(struct source *s, const struct line *line, struct err *e)
{
	struct event *ev = &s->reader.ev;

	s->stats->unknown++;
	ev->kind = EVENT_unknown;
	ev->has = 0;
	ev->checkpoint = s->reader.checkpoint ? s->reader.checkpoint : 1;
	event_set_bytes(ev, FIELD_text, line->start, line->length < SHOWN_BYTES ? line->length : SHOWN_BYTES);
	if (line->length > SHOWN_BYTES)
		event_set_text(ev, FIELD_note, "only the beginning of a long line");
	return s->reader.sink(s->reader.ctx, ev, e);
}

static int take_line(struct source *s, const struct line *line, struct err *e)
{
	struct reader *r = &s->reader;
	struct text text = text_trim((struct text){ line->start, line->length });
	enum format format;
	int known = 0;

	r->line = r->ev.line = ++s->stats->lines;
	r->ev.has = 0;
	if (text.length == 0 && !line->cut) {
		s->stats->blank++;
		return 0;
	}
	if (!s->format && (format = format_of_line(text)) != FORMAT_AUTO)
		begin(s, format);
	if (s->format && !line->cut)
		known = s->format->read(r, text, e);
	if (known == 0)
		return give_unknown(s, line, e);
	s->stats->context++;
	return known < 0 ? -1 : 0;
}

static int take_lines(struct source *s, struct err *e)
{
	struct line line;
	int more;

	while ((more = lines_next(s->lines, &line, e)) > 0)
		if (take_line(s, &line, e) < 0)
			return -1;
	if (more < 0)
		return -1;
	/* A stopped guest without a migration after it is not part of a checkpoint. */
	if (s->reader.held.open && s->reader.held.ev.kind != EVENT_stop)
		return reader_release(&s->reader, e);
	return 0;
}

/* Completes the numbers from the reader, which counts lines that gave events as context at first. */
static void finish_stats(struct source *s)
{
	s->stats->checkpoints = s->reader.checkpoint;
	s->stats->events = s->reader.event_lines;
	s->stats->context -= s->reader.event_lines;
}

static int read_fd(int fd, enum format format, struct source *s, struct err *e)
{
	struct look ahead = { 0 };
	int result = 0;

	s->lines = lines_new(fd);
	if (format == FORMAT_AUTO) {
		result = lines_peek(s->lines, look, &ahead, e);
		format = ahead.found;
	}
	if (result == 0) {
		begin(s, format);
		result = take_lines(s, e);
	}
	finish_stats(s);
	if (s->format && s->format->end)
		s->format->end(&s->reader);
	lines_free(s->lines);
	return result;
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

/* The descriptor of the log, or -1. */
static int open_source(const char *path, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int inside;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return steal_fd(&fd);
	inside = openat(fd, TRACE_NAME, O_RDONLY | O_CLOEXEC);
	if (inside < 0) {
		err_sys(e, errno, "cannot open '%s/" TRACE_NAME "'", path);
		return err_hint(e, "a directory must be a checkpoint with its trace, " TRACE_NAME);
	}
	return inside;
}

static int not_recognised(const char *path, struct err *e)
{
	err_set(e, "'%s': no line of a known format", path);
	return err_hint(e, "--format names the format: mplm, stap, qemu or mplcr");
}

int source_read(const char *path, enum format format, event_sink *sink, void *ctx, struct source_stats *stats,
		struct err *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	_cleanup_close_ int fd = is_stdin ? dup(STDIN_FILENO) : open_source(path, e);
	struct source *s;
	int result;

	*stats = (struct source_stats){ 0 };
	if (fd < 0)
		return is_stdin ? err_sys(e, errno, "cannot read standard input") : -1;
	s = memory_of(1, sizeof(*s));
	s->stats = stats;
	s->reader.sink = sink;
	s->reader.ctx = ctx;
	result = read_fd(fd, format, s, e);
	free(s);
	if (result < 0 && e->sys && strncmp(e->text, "cannot read", 11) == 0)
		err_prefix(e, "'%s'", path);
	if (result == 0 && stats->format == FORMAT_AUTO)
		return not_recognised(is_stdin ? "standard input" : path, e);
	return result;
}

void source_note_unknown(const char *path, const struct source_stats *stats)
{
	if (stats->unknown)
		cli_note("'%s': %" PRIu64 " of %" PRIu64 " lines are unknown: parse --unknown shows them", path,
			 stats->unknown, stats->lines);
}
