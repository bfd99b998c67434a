/* SPDX-License-Identifier: MIT */
/*
 * Memory as a picture: rows of cells for each RAM block, each cell so many pages, in the look of the worst that is in
 * it: changed (in three grades of density), the same, zeros.
 */
#ifndef MPLCR_STATE_DIFF_MAP_H
#define MPLCR_STATE_DIFF_MAP_H

#include <stdio.h>

#include "diff/diff.h"

enum map_type { MAP_SVG, MAP_PNG, MAP_LETTERS };

/* How a cell looks. */
enum map_look { LOOK_ZERO, LOOK_SAME, LOOK_FEW, LOOK_SOME, LOOK_MANY, LOOKS };

struct map {
	const char *path; /* NULL: no map; "-": standard output */
	bool force;       /* write over a file */
	enum map_type type;
	const struct saved *s; /* the two */
	const struct memory_diff *d;
};

/* Finds out the type from the name, and whether the file may be written. Returns 0 or -1. */
int map_check(struct map *map, struct err *e) __attribute__((warn_unused_result));

/* The number of cells that the largest block may have. */
size_t map_most_cells(const struct map *map);

/* Draws it: a file whole or not at all. Returns 0 or -1. */
int map_draw(const struct map *map, struct err *e) __attribute__((warn_unused_result));

/* --- for the two ways of drawing -----------------------------------------------------------------------------------
 */

enum { LETTERS_COLUMNS = 64, COLOURS_COLUMNS = 128 };

enum map_look map_look_of(const struct cell *cell);

/* What is said of a look in the legend. */
extern const char *const map_look_words[LOOKS];

/* Lines of text, malloc'd: which of the two is which (0, 1); all of memory; the size of a cell; one block. */
char *map_text_of_side(const struct map *map, int side);
char *map_text_of_all(const struct map *map);
char *map_text_of_cell(const struct map *map);
char *map_text_of_block(const struct block_diff *b);

/* The height of a block in rows of so many cells. */
size_t map_rows_of(const struct block_diff *b, size_t columns);

/* Writes it in letters. */
void map_letters(FILE *f, const struct map *map);

/* The picture, malloc'd, by gnuplot. Returns 0 or -1. */
int map_colours(const struct map *map, char **bytes, size_t *size, struct err *e) __attribute__((warn_unused_result));

#endif
