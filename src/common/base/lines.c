/* SPDX-License-Identifier: MIT */
#include "base/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

#define BUFFER_SIZE (1u << 20)

struct lines {
	int fd;
	bool ended;
	size_t begin, end; /* what is read and not handed out: buf[begin .. end) */
	char buf[BUFFER_SIZE];
	char cut[LINES_MAX]; /* a line that was cut: skipping its rest moves the buffer */
};

struct lines *lines_new(int fd)
{
	struct lines *l = memory_of(1, sizeof(*l));

	l->fd = fd;
	return l;
}

/* Appends more bytes to the buffer. Returns 0, or -1 with an error; sets l->ended at the end of the file. */
static int fill(struct lines *l, struct err *e)
{
	ssize_t n;

	if (l->begin > 0) {
		memmove(l->buf, l->buf + l->begin, l->end - l->begin);
		l->end -= l->begin;
		l->begin = 0;
	}
	do
		n = read(l->fd, l->buf + l->end, BUFFER_SIZE - l->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "cannot read");
	l->ended = n == 0;
	l->end += (size_t)n;
	return 0;
}

/* Skips the rest of a line that was cut, with its line feed. */
static int skip_rest(struct lines *l, struct err *e)
{
	for (;;) {
		char *feed = memchr(l->buf + l->begin, '\n', l->end - l->begin);
		size_t skipped = feed ? (size_t)(feed + 1 - (l->buf + l->begin)) : l->end - l->begin;

		l->begin += skipped;
		if (feed || l->ended)
			return 0;
		if (fill(l, e) < 0)
			return -1;
	}
}

/* Hands out `length` bytes, and takes `feed` more (the line feed) along. */
static int hand_out(struct lines *l, struct line *line, size_t length, size_t feed)
{
	line->start = l->buf + l->begin;
	line->length = length;
	line->cut = false;
	l->begin += length + feed;
	if (length > 0 && line->start[length - 1] == '\r')
		line->length--;
	return 1;
}

static int hand_out_cut(struct lines *l, struct line *line, struct err *e)
{
	memcpy(l->cut, l->buf + l->begin, LINES_MAX);
	if (skip_rest(l, e) < 0)
		return -1;
	*line = (struct line){ l->cut, LINES_MAX, true };
	return 1;
}

int lines_next(struct lines *l, struct line *line, struct err *e)
{
	size_t searched = 0;

	for (;;) {
		size_t there = l->end - l->begin;
		char *from = l->buf + l->begin, *feed = memchr(from + searched, '\n', there - searched);

		if (feed && (size_t)(feed - from) <= LINES_MAX)
			return hand_out(l, line, (size_t)(feed - from), 1);
		if (feed || there > LINES_MAX)
			return hand_out_cut(l, line, e);
		if (l->ended)
			return there > 0 ? hand_out(l, line, there, 0) : 0;
		searched = there;
		if (fill(l, e) < 0)
			return -1;
	}
}

int lines_peek(struct lines *l, bool (*enough)(void *ctx, const char *bytes, size_t size), void *ctx, struct err *e)
{
	while (!l->ended && l->end - l->begin < BUFFER_SIZE && !enough(ctx, l->buf + l->begin, l->end - l->begin))
		if (fill(l, e) < 0)
			return -1;
	return 0;
}

void lines_free(struct lines *l)
{
	free(l);
}
