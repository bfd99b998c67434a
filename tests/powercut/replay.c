/* SPDX-License-Identifier: MIT */
/*
 * Puts a filesystem into states that a power cut can leave it in, one after the other, and mounts each:
 *
 *     replay [-s SEED] [-n N] [-p POINT] START LOG MARKS IMAGE DEVICE TYPE DIR
 *
 * START is the filesystem as it was before, LOG what was written to it since (blocklog.c). MARKS has sizes of the log, a
 * line each, between which something happened: the first is where the power cuts begin. IMAGE is a file for the states,
 * DEVICE the loop device on it, which is mounted on DIR as TYPE.
 *
 * When a state is mounted, a line is printed: its point, how many marks are behind it, and, if it cannot be mounted, why.
 * When a line is read, it is unmounted, and the next one comes; after "again" the same one.
 *
 * A flush makes durable what was written before it. Of what was written since, a disk has written anything, in any order,
 * when the power goes. So a point is a place in the log, and which of the 4 KiB pieces of the writes behind the last
 * flush are there. (Of two writes to one piece, the later one may be missing: that is what the other order comes to.)
 *
 *     PLACE        all of them: there are as many as there are writes, or N, if that is less
 *     PLACE.HEX    those that the random number HEX chooses: N, or as many different ones as are found
 *
 * -p repeats one of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/memory.h"

enum { PIECE = 4096, TRIES = 50, UMOUNT_MS = 10000 };

struct event {
	uint64_t offset;
	uint64_t size; /* 0: a flush */
	const unsigned char *data;
};

struct point {
	size_t at, stable;  /* events that were sent; of these, before the last flush */
	uint64_t chosen_by; /* 0: all between the two are there */
};

/* What a piece of `now` was before a state was made of it. */
struct saved {
	size_t page;
	unsigned char bytes[PIECE];
};

struct replay {
	const char *device, *type, *dir;
	struct event *events;
	size_t n_events;
	size_t *marks; /* events before each */
	size_t n_marks;
	struct point *points;
	size_t n_points;
	uint64_t seed;
	size_t wanted;

	int fd; /* of the image */
	size_t size;
	unsigned char *now, *image;
	size_t applied; /* events that `now` has */
	uint64_t *touched; /* a bit for each page that may differ from zeros in one of the two */
	struct saved *saved;
	size_t n_saved;
};

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* splitmix64, by Sebastiano Vigna: the next random number. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint64_t mixed(uint64_t a, uint64_t b)
{
	uint64_t state = a ^ (b * 0xff51afd7ed558ccd);

	return next(&state);
}

/* --- which pieces there are ------------------------------------------------------------------------------------- */

/* Chooses of `n` pieces, one after the other: one, all but one, or each with the same probability. */
struct chooser {
	uint64_t state;
	bool all, one, but_one;
	size_t i, which;
	uint64_t below; /* of 8 */
};

static struct chooser chooser_of(const struct point *p, size_t n)
{
	struct chooser c = { .state = mixed(p->chosen_by, p->at), .all = !p->chosen_by };
	uint64_t how = next(&c.state) % 7;

	c.one = how == 0;
	c.but_one = how == 1;
	c.below = (uint64_t[]){ 0, 0, 1, 2, 4, 6, 7 }[how];
	c.which = n ? next(&c.state) % n : 0;
	return c;
}

static bool choose(struct chooser *c)
{
	bool is_it = c->i++ == c->which;

	if (c->all)
		return true;
	if (c->one || c->but_one)
		return is_it == c->one;
	return next(&c->state) % 8 < c->below;
}

/* The size of the piece of the event that begins at `at` in it. */
static size_t piece_size(const struct event *e, uint64_t at)
{
	uint64_t left = e->size - at, room = PIECE - (e->offset + at) % PIECE;

	return (size_t)(left < room ? left : room);
}

static size_t count_pieces(const struct replay *r, const struct point *p)
{
	size_t n = 0;

	for (size_t i = p->stable; i < p->at; i++)
		for (uint64_t at = 0; at < r->events[i].size; at += piece_size(&r->events[i], at))
			n++;
	return n;
}

/* Calls `each` for all that are there. */
static void each_piece(struct replay *r, const struct point *p,
		       void (*each)(void *ctx, const struct event *e, uint64_t at), void *ctx)
{
	struct chooser c = chooser_of(p, count_pieces(r, p));

	for (size_t i = p->stable; i < p->at; i++) {
		const struct event *e = &r->events[i];

		for (uint64_t at = 0; at < e->size; at += piece_size(e, at))
			if (choose(&c))
				each(ctx, e, at);
	}
}

/* --- the points ------------------------------------------------------------------------------------------------- */

static size_t marks_behind(const struct replay *r, size_t at)
{
	size_t n = 0;

	while (n < r->n_marks && r->marks[n] <= at)
		n++;
	return n;
}

static size_t last_flush(const struct replay *r, size_t at)
{
	while (at > 0 && r->events[at - 1].size > 0)
		at--;
	return at;
}

static void add_point(struct replay *r, size_t at, uint64_t chosen_by)
{
	*array_add(r->points, r->n_points) = (struct point){ at, last_flush(r, at), chosen_by };
}

struct digest {
	const struct replay *r;
	uint64_t sum;
};

static void sum_piece(void *ctx, const struct event *e, uint64_t at)
{
	struct digest *d = ctx;

	d->sum = mixed(d->sum, mixed((uint64_t)(e - d->r->events), at + 1));
}

/* A number for the state and how many marks are behind it. */
static uint64_t digest_of(struct replay *r, const struct point *p)
{
	struct digest d = { r, mixed(p->stable, marks_behind(r, p->at)) };

	each_piece(r, p, sum_piece, &d);
	return d.sum;
}

static bool is_new(uint64_t *sums, size_t *n, uint64_t sum)
{
	for (size_t i = 0; i < *n; i++)
		if (sums[i] == sum)
			return false;
	sums[(*n)++] = sum;
	return true;
}

/* Keeps the point that was added last if its state is another one than those of all before. */
static bool keep_new(struct replay *r, uint64_t *sums, size_t *n)
{
	bool new = is_new(sums, n, digest_of(r, &r->points[r->n_points - 1]));

	if (!new)
		r->n_points--;
	return new;
}

static int by_place(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	return x->at != y->at ? (x->at < y->at ? -1 : 1) : (x->chosen_by > y->chosen_by) - (x->chosen_by < y->chosen_by);
}

static void plan(struct replay *r)
{
	size_t first = r->marks[0], places = r->n_events - first + 1, n = 0;
	uint64_t *sums = memory_of(places + r->wanted, sizeof(*sums)), state = r->seed;
	size_t kept = 0;

	for (size_t at = first; at <= r->n_events; at++) {
		if (places > r->wanted && next(&state) % places >= r->wanted)
			continue;
		add_point(r, at, 0);
		keep_new(r, sums, &n);
	}
	for (size_t i = 0; i < TRIES * r->wanted && kept < r->wanted; i++) {
		size_t at = first + next(&state) % places;

		add_point(r, at, next(&state) | 1);
		kept += keep_new(r, sums, &n);
	}
	free(sums);
	qsort(r->points, r->n_points, sizeof(*r->points), by_place);
}

static void plan_one(struct replay *r, const char *point)
{
	char *end;
	size_t at = strtoull(point, &end, 10);

	add_point(r, at <= r->n_events ? at : r->n_events, *end == '.' ? strtoull(end + 1, NULL, 16) : 0);
}

/* --- the states ------------------------------------------------------------------------------------------------- */

static void touch(struct replay *r, uint64_t from, uint64_t size)
{
	for (uint64_t page = from / PIECE; page <= (from + size - 1) / PIECE; page++)
		r->touched[page / 64] |= UINT64_C(1) << page % 64;
}

static void write_piece(void *ctx, const struct event *e, uint64_t at)
{
	struct replay *r = ctx;
	size_t size = piece_size(e, at), page = (size_t)(e->offset + at) / PIECE;
	struct saved *s = array_add(r->saved, r->n_saved);

	s->page = page;
	memcpy(s->bytes, r->now + page * PIECE, PIECE);
	memcpy(r->now + e->offset + at, e->data + at, size);
	touch(r, e->offset + at, size);
}

static void take_back(struct replay *r)
{
	while (r->n_saved > 0) {
		const struct saved *s = &r->saved[--r->n_saved];

		memcpy(r->now + s->page * PIECE, s->bytes, PIECE);
	}
}

static void advance(struct replay *r, size_t to)
{
	for (; r->applied < to; r->applied++) {
		const struct event *e = &r->events[r->applied];

		if (e->size == 0)
			continue;
		memcpy(r->now + e->offset, e->data, e->size);
		touch(r, e->offset, e->size);
	}
}

/* Calls `each` for the parts of the file that are no holes. */
static void each_extent(struct replay *r, int fd, void (*each)(struct replay *r, int fd, off_t from, off_t to))
{
	off_t from, to = 0;

	while ((from = lseek(fd, to, SEEK_DATA)) >= 0) {
		to = lseek(fd, from, SEEK_HOLE);
		each(r, fd, from, to);
	}
}

static void touch_extent(struct replay *r, int fd, off_t from, off_t to)
{
	(void)fd;
	touch(r, (uint64_t)from, (uint64_t)(to - from));
}

static void load_extent(struct replay *r, int fd, off_t from, off_t to)
{
	touch_extent(r, fd, from, to);
	if (pread(fd, r->now + from, (size_t)(to - from), from) != to - from)
		die("start");
}

/* The image becomes what `now` is, whatever was done to it since. */
static void settle(struct replay *r)
{
	each_extent(r, r->fd, touch_extent);
	for (size_t word = 0; word < (r->size / PIECE + 63) / 64; word++)
		for (uint64_t bits = r->touched[word]; bits; bits &= bits - 1) {
			size_t at = (word * 64 + (size_t)__builtin_ctzll(bits)) * PIECE;

			if (memcmp(r->image + at, r->now + at, PIECE) != 0)
				memcpy(r->image + at, r->now + at, PIECE);
		}
}

/* --- mounting --------------------------------------------------------------------------------------------------- */

/* What the kernel remembers of the device is of the state before. */
static void forget(const struct replay *r)
{
	int fd = open(r->device, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, BLKFLSBUF, 0) < 0)
		die(r->device);
	close(fd);
}

static int mount_state(const struct replay *r)
{
	forget(r);
	return mount(r->device, r->dir, r->type, MS_NOATIME, NULL);
}

/* A process that is ending may have a file there for a moment. */
static void unmount(const struct replay *r)
{
	int64_t until = clock_in_ms(UMOUNT_MS);

	while (umount2(r->dir, 0) < 0) {
		if (errno != EBUSY || clock_over(until))
			die(r->dir);
		clock_sleep_ms(2);
	}
}

enum answer { ANSWER_END, ANSWER_NEXT, ANSWER_AGAIN };

static enum answer answer(void)
{
	char line[16];

	if (!fgets(line, sizeof(line), stdin))
		return ANSWER_END;
	return strcmp(line, "again\n") == 0 ? ANSWER_AGAIN : ANSWER_NEXT;
}

static void say(const struct replay *r, const struct point *p, const char *why)
{
	printf("%zu", p->at);
	if (p->chosen_by)
		printf(".%" PRIx64, p->chosen_by);
	printf(" %zu %s\n", marks_behind(r, p->at), why);
	fflush(stdout);
}

static enum answer show_once(struct replay *r, const struct point *p)
{
	enum answer got;
	bool mounted;

	settle(r);
	mounted = mount_state(r) == 0;
	say(r, p, mounted ? "" : strerror(errno));
	got = answer();
	if (mounted)
		unmount(r);
	return got;
}

static bool show(struct replay *r, const struct point *p)
{
	enum answer got;

	advance(r, p->stable);
	each_piece(r, p, write_piece, r);
	do
		got = show_once(r, p);
	while (got == ANSWER_AGAIN);
	take_back(r);
	return got == ANSWER_NEXT;
}

/* --- what is read ----------------------------------------------------------------------------------------------- */

static void read_log(struct replay *r, const char *path, const char *marks_path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	FILE *marks = fopen(marks_path, "re");
	uint64_t mark = 0, at = 0;
	struct stat st;
	const unsigned char *log;
	bool more;

	if (fd < 0 || !marks || fstat(fd, &st) < 0)
		die(path);
	log = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (log == MAP_FAILED)
		die(path);
	more = fscanf(marks, "%" SCNu64, &mark) == 1;
	for (;;) {
		uint64_t head[2];

		for (; more && mark <= at; more = fscanf(marks, "%" SCNu64, &mark) == 1)
			*array_add(r->marks, r->n_marks) = r->n_events;
		if (at + sizeof(head) > (uint64_t)st.st_size)
			break;
		memcpy(head, log + at, sizeof(head));
		*array_add(r->events, r->n_events) = (struct event){ head[0], head[1], log + at + sizeof(head) };
		at += sizeof(head) + head[1];
	}
	fclose(marks);
	close(fd);
	if (r->n_marks == 0) {
		fprintf(stderr, "no mark is in the log\n");
		exit(2);
	}
}

static void *map(size_t size, int flags, int fd)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void read_start(struct replay *r, const char *path, const char *image)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	r->fd = open(image, O_RDWR | O_CLOEXEC);
	if (fd < 0 || r->fd < 0 || fstat(fd, &st) < 0)
		die(path);
	r->size = (size_t)st.st_size;
	r->now = map(r->size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	r->image = map(r->size, MAP_SHARED, r->fd);
	r->touched = memory_of((r->size / PIECE + 63) / 64, sizeof(*r->touched));
	each_extent(r, fd, load_extent);
	close(fd);
}

int main(int argc, char **argv)
{
	struct replay r = { .wanted = 1000 };
	const char *one = NULL;
	int option;

	while ((option = getopt(argc, argv, "s:n:p:")) != -1)
		if (option == 's')
			r.seed = strtoull(optarg, NULL, 10);
		else if (option == 'n')
			r.wanted = strtoull(optarg, NULL, 10);
		else if (option == 'p')
			one = optarg;
		else
			return 2;
	if (argc - optind != 7)
		return 2;
	argv += optind;
	r.device = argv[4];
	r.type = argv[5];
	r.dir = argv[6];
	read_start(&r, argv[0], argv[3]);
	read_log(&r, argv[1], argv[2]);
	if (one)
		plan_one(&r, one);
	else
		plan(&r);
	for (size_t i = 0; i < r.n_points && show(&r, &r.points[i]); i++)
		;
	return 0;
}
