/* SPDX-License-Identifier: MIT */
#include "diff/map.h"

#include <stdlib.h>

static const char letters[LOOKS] = {
	[LOOK_ZERO] = '.', [LOOK_SAME] = '-', [LOOK_FEW] = '+', [LOOK_SOME] = 'x', [LOOK_MANY] = '#',
};

static void put_line(FILE *f, char *text)
{
	fprintf(f, "%s\n", text);
	free(text);
}

static void put_block(FILE *f, const struct map *map, const struct block_diff *b)
{
	fputc('\n', f);
	put_line(f, map_text_of_block(b));
	for (size_t i = 0; i < b->n_cells; i++) {
		if (i % LETTERS_COLUMNS == 0)
			fprintf(f, "%s0x%010llx ", i ? "\n" : "",
				(unsigned long long)(i * map->d->cell_pages * STREAM_PAGE));
		fputc(letters[map_look_of(&b->cells[i])], f);
	}
	fputs(b->n_cells ? "\n" : "", f);
}

void map_letters(FILE *f, const struct map *map)
{
	for (int side = 0; side < 2; side++)
		put_line(f, map_text_of_side(map, side));
	put_line(f, map_text_of_all(map));
	put_line(f, map_text_of_cell(map));
	for (int look = 0; look < LOOKS; look++)
		fprintf(f, "%s%c %s", look ? "   " : "", letters[look], map_look_words[look]);
	fputc('\n', f);
	for (size_t i = 0; i < map->d->n; i++)
		put_block(f, map, &map->d->blocks[i]);
}
