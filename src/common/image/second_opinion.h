/* SPDX-License-Identifier: MIT */
/*
 * What another parser, libqcow, reads out of the headers of qcow and qcow2 images. It is asked for nothing but the
 * header's fields: its data reads are wrong. It was not made for hostile files: it runs in a process of its own, which
 * may crash, hang or run out of memory without harm to anybody.
 *
 * Images are asked for one after the other, and answered in that order; meanwhile the caller can go on.
 */
#ifndef MPLCR_SECOND_OPINION_H
#define MPLCR_SECOND_OPINION_H

#include <stdbool.h>
#include <stdint.h>

enum opinion_state {
	OPINION_GIVEN,
	OPINION_REFUSED, /* it does not read this image: other features, or it finds the header bad */
	OPINION_LOST,    /* it is not there, or crashed or hung with this image; there are no answers after it */
};

struct opinion {
	enum opinion_state state;
	uint32_t version;    /* 1, 2 or 3 */
	uint32_t encryption; /* 0 none, 1 AES, 2 LUKS */
	uint32_t n_snapshots;
	uint64_t virtual_size;   /* bytes */
	char backing_name[1024]; /* "" where there is none */
};

struct second_opinion;

/* Starts the process, which loads libqcow while the caller goes on. */
struct second_opinion *second_opinion_new(void) __attribute__((malloc, returns_nonnull));

/* Asks for the image at `path`. Never waits. */
void second_opinion_ask(struct second_opinion *o, const char *path);

/*
 * The answer for the image that was asked for first and not yet answered: waits for it, not longer than the process may
 * take. After an answer OPINION_LOST all others are lost as well.
 */
void second_opinion_answer(struct second_opinion *o, struct opinion *answer);

/* Ends the process. */
void second_opinion_free(struct second_opinion *o);

#endif
