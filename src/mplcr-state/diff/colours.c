/* SPDX-License-Identifier: MIT */
#include "diff/map.h"

#include <stdlib.h>

#include "base/gnuplot.h"

/* Pixels. The picture is one plot whose axes are pixels, from its upper left corner on. */
enum {
	LEFT = 112,
	CELL = 5, /* a cell's width, */
	ROW = 8,  /* the distance of rows, */
	GAP = 1,  /* and of that what is between them */
	LINE = 18,
	MARGIN = 14,
	SWATCH = 12,
	WIDTH = LEFT + COLOURS_COLUMNS * CELL + 24,
	HEAD = MARGIN + 6 * LINE, /* four lines of text, the legend, and room */
	OFFSETS = 4,              /* every so many rows have their offset beside them */
};

/*
 * Of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people with any kind of colour vision can tell apart; what
 * changed gets darker the more it is, for print too.
 */
static const unsigned colours[LOOKS] = {
	[LOOK_ZERO] = 0xececec, [LOOK_SAME] = 0x9fd0ee, [LOOK_FEW] = 0xf2b26b,
	[LOOK_SOME] = 0xd55e00, [LOOK_MANY] = 0x7a1f00,
};

/* Where each look of the legend begins. */
static const int legend_at[LOOKS] = { 0, 90, 180, 350, 480 };

static int height_of_block(const struct block_diff *b)
{
	return 2 * LINE + ROW * (int)map_rows_of(b, COLOURS_COLUMNS);
}

static void put_label(FILE *f, int x, int y, const char *side, const char *text)
{
	fprintf(f, "set label at %d,%d %s front ", x, y, side);
	gnuplot_put_text(f, text);
	fputc('\n', f);
}

/* The same; the text is freed. */
static void put_line(FILE *f, int x, int y, char *text)
{
	put_label(f, x, y, "left", text);
	free(text);
}

static void put_labels_of_block(FILE *f, const struct map *map, const struct block_diff *b, int top)
{
	put_line(f, LEFT, top + LINE / 2, map_text_of_block(b));
	for (size_t row = 0; row < map_rows_of(b, COLOURS_COLUMNS); row += OFFSETS) {
		char offset[24];

		snprintf(offset, sizeof(offset), "0x%010llx",
			 (unsigned long long)(row * COLOURS_COLUMNS * map->d->cell_pages * STREAM_PAGE));
		put_label(f, LEFT - 8, top + LINE + ROW * (int)row + ROW / 2, "right", offset);
	}
}

static void put_labels(FILE *f, const struct map *map)
{
	int top = HEAD, line = MARGIN;

	for (int side = 0; side < 2; side++, line += LINE)
		put_line(f, LEFT, line, map_text_of_side(map, side));
	put_line(f, LEFT, line, map_text_of_all(map));
	put_line(f, LEFT, line + LINE, map_text_of_cell(map));
	for (int look = 0; look < LOOKS; look++)
		put_label(f, LEFT + legend_at[look] + SWATCH + 6, line + 2 * LINE + LINE / 2, "left",
			  map_look_words[look]);
	for (size_t i = 0; i < map->d->n; i++) {
		put_labels_of_block(f, map, &map->d->blocks[i], top);
		top += height_of_block(&map->d->blocks[i]);
	}
}

/* A rectangle: middle and ends, as boxxyerror takes them. */
static void put_box(FILE *f, int left, int top, int width, int height, unsigned colour)
{
	fprintf(f, "%d %d %d %d %d %d %u\n", left, top, left, left + width, top, top + height, colour);
}

/* Cells of one look side by side are one rectangle. */
static void put_row(FILE *f, const struct cell *cells, size_t n, int top)
{
	for (size_t from = 0, to; from < n; from = to) {
		enum map_look look = map_look_of(&cells[from]);

		for (to = from + 1; to < n && map_look_of(&cells[to]) == look;)
			to++;
		put_box(f, LEFT + CELL * (int)from, top, CELL * (int)(to - from), ROW - GAP, colours[look]);
	}
}

static void put_boxes(FILE *f, const struct map *map)
{
	int top = HEAD;

	for (int look = 0; look < LOOKS; look++)
		put_box(f, LEFT + legend_at[look], HEAD - 2 * LINE + LINE / 2 - SWATCH / 2, SWATCH, SWATCH,
			colours[look]);
	for (size_t i = 0; i < map->d->n; i++) {
		const struct block_diff *b = &map->d->blocks[i];

		for (size_t at = 0; at < b->n_cells; at += COLOURS_COLUMNS)
			put_row(f, b->cells + at, b->n_cells - at < COLOURS_COLUMNS ? b->n_cells - at : COLOURS_COLUMNS,
				top + LINE + ROW * (int)(at / COLOURS_COLUMNS));
		top += height_of_block(b);
	}
}

static int write_script(FILE *f, const char *output, const void *ctx, struct err *e)
{
	const struct map *map = ctx;
	int height = HEAD;

	(void)e;
	for (size_t i = 0; i < map->d->n; i++)
		height += height_of_block(&map->d->blocks[i]);
	fprintf(f, "set encoding utf8\nset output '%s'\n", output);
	gnuplot_put_terminal(f, map->type == MAP_PNG, WIDTH, height);
	fprintf(f,
		"unset border\nunset tics\nunset key\nset lmargin at screen 0\nset rmargin at screen 1\n"
		"set bmargin at screen 0\nset tmargin at screen 1\nset xrange [0:%d]\nset yrange [%d:0]\n",
		WIDTH, height);
	put_labels(f, map);
	fputs("$boxes << END\n", f);
	put_boxes(f, map);
	fputs("END\nset style fill solid 1 noborder\n"
	      "plot $boxes using 1:2:3:4:5:6:7 with boxxyerror lc rgb variable\nset output\n",
	      f);
	return 0;
}

int map_colours(const struct map *map, char **bytes, size_t *size, struct err *e)
{
	return gnuplot_run(write_script, map, "--map FILE.txt", bytes, size, e);
}
