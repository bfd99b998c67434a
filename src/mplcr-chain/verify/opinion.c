/* SPDX-License-Identifier: MIT */
/*
 * verify.h: the second parser. What two parsers read in two ways is how an image shows one thing to those who check it
 * and another to those who use it. Images are asked for while chains are read, and answers are compared at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/byteorder.h"
#include "base/cleanup.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/json.h"
#include "image/second_opinion.h"
#include "verify/verify.h"

enum {
	HEAD = 1024,           /* bytes: more than the header and the names of nearly all images */
	SHAPES = 32,           /* that are remembered */
	BACKING_OFFSET_AT = 8, /* in the header: where the name of the backing file is, of all versions */
};

/* What our parser read. */
struct question {
	char *path;
	char *backing_name;
	unsigned version, encryption, n_snapshots;
	uint64_t virtual_size;
	size_t like; /* the question whose answer is its own, too: itself, where it was asked */
};

/*
 * Headers that were asked for, without the letters of the backing file's name. An image that differs from one of them
 * in those letters only is not asked for again: the layers of a chain are nearly all alike, and to ask takes longer
 * than all else that is done with an image.
 */
struct shape {
	uint8_t head[HEAD];
	size_t question;
};

struct opinions {
	struct second_opinion *library;
	struct question *questions;
	size_t n;
	struct shape shapes[SHAPES];
	size_t n_shapes; /* so far; the last SHAPES of them are there */
};

struct opinions *opinions_new(void)
{
	struct opinions *o = memory_of(1, sizeof(*o));

	o->library = second_opinion_new();
	return o;
}

static bool is_plain(const char *name)
{
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			return false;
	return true;
}

/*
 * Makes a shape of the `n` bytes at the beginning of the image. Returns false where they are not all that a parser may
 * look at, or the name could be taken in two ways.
 */
static bool make_shape(const struct image_header *h, const uint8_t *bytes, size_t n, uint8_t head[HEAD])
{
	size_t length = h->backing_name ? strlen(h->backing_name) : 0;
	uint64_t offset;

	if (!length || !is_plain(h->backing_name) || n != HEAD)
		return false;
	offset = be64_at(bytes + BACKING_OFFSET_AT);
	if (offset > HEAD || HEAD - offset < length)
		return false;
	memcpy(head, bytes, HEAD);
	memset(head + offset, 'x', length);
	return true;
}

/* The question about an image of that shape, or the next one, `n`, whose shape it then is. */
static size_t question_like(struct opinions *o, const uint8_t head[HEAD])
{
	size_t known = o->n_shapes < SHAPES ? o->n_shapes : SHAPES;
	struct shape *next = &o->shapes[o->n_shapes % SHAPES];

	for (size_t i = 0; i < known; i++)
		if (memcmp(o->shapes[i].head, head, HEAD) == 0)
			return o->shapes[i].question;
	memcpy(next->head, head, HEAD);
	next->question = o->n;
	o->n_shapes++;
	return o->n;
}

void opinions_ask(struct opinions *o, const struct chain_image *image, const uint8_t *bytes, size_t n)
{
	const struct image_header *h = &image->header;
	uint8_t head[HEAD];
	size_t like;

	if (image->state != CHAIN_OK || image->use == IMAGE_WRITTEN || h->fault[0] ||
	    (h->format != IMAGE_QCOW2 && h->format != IMAGE_QCOW))
		return;
	like = make_shape(h, bytes, n, head) ? question_like(o, head) : o->n;
	if (like == o->n)
		second_opinion_ask(o->library, image->path);
	*array_add(o->questions, o->n) = (struct question){
		.path = text_copy(image->path),
		.backing_name = text_copy(h->backing_name ? h->backing_name : ""),
		.version = h->format == IMAGE_QCOW ? 1 : h->version,
		.encryption = (unsigned)h->encryption,
		.n_snapshots = h->n_snapshots,
		.virtual_size = h->virtual_size,
		.like = like,
	};
}

/* libqcow cuts a name where it is not UTF-8, which a name of a file need not be. */
static bool is_utf8(const char *name)
{
	_cleanup_json_ json_t *value = json_string(name);

	return value != NULL;
}

static void compare(struct findings *f, const struct question *q, const struct opinion *a)
{
	if (a->version != q->version)
		findings_add(f, E_PARSERS_DIFFER, q->path, "its version is %u, or %u for libqcow", q->version,
			     a->version);
	if (a->virtual_size != q->virtual_size)
		findings_add(f, E_PARSERS_DIFFER, q->path, "its disk has %llu bytes, or %llu for libqcow",
			     (unsigned long long)q->virtual_size, (unsigned long long)a->virtual_size);
	if (is_utf8(q->backing_name) && strcmp(a->backing_name, q->backing_name) != 0)
		findings_add(f, E_PARSERS_DIFFER, q->path, "its backing file is '%s', or '%s' for libqcow",
			     q->backing_name, a->backing_name);
	if (a->encryption != q->encryption)
		findings_add(f, E_PARSERS_DIFFER, q->path, "its encryption method is %u, or %u for libqcow",
			     q->encryption, a->encryption);
	if (a->n_snapshots != q->n_snapshots)
		findings_add(f, E_PARSERS_DIFFER, q->path, "it has %u snapshots, or %u for libqcow", q->n_snapshots,
			     a->n_snapshots);
}

/* The answer about an image that was not asked for: that about the one it is like, with its own name. */
static struct opinion answer_like(const struct question *like, const struct opinion *answer, const struct question *q)
{
	struct opinion own = *answer;

	if (strcmp(answer->backing_name, like->backing_name) == 0)
		snprintf(own.backing_name, sizeof(own.backing_name), "%s", q->backing_name);
	return own;
}

static void compare_those_like(const struct opinions *o, size_t i, const struct opinion *answer, struct findings *f)
{
	for (size_t k = i; k < o->n; k++) {
		const struct question *q = &o->questions[k];
		struct opinion own;

		if (q->like != i)
			continue;
		own = answer_like(&o->questions[i], answer, q);
		compare(f, q, &own);
	}
}

void opinions_compare(struct opinions *o, struct findings *f)
{
	for (size_t i = 0; i < o->n; i++) {
		struct opinion answer;

		if (o->questions[i].like != i)
			continue;
		second_opinion_answer(o->library, &answer);
		if (answer.state == OPINION_GIVEN)
			compare_those_like(o, i, &answer, f);
		else if (answer.state == OPINION_LOST)
			findings_add(f, N_SECOND_OPINION, o->questions[i].path,
				     "libqcow is not there, or crashed or hung, here or with an image before");
	}
}

void opinions_free(struct opinions *o)
{
	second_opinion_free(o->library);
	for (size_t i = 0; i < o->n; i++) {
		free(o->questions[i].path);
		free(o->questions[i].backing_name);
	}
	free(o->questions);
	free(o);
}
