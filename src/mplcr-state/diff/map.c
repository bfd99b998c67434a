/* SPDX-License-Identifier: MIT */
#include "diff/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/number.h"
#include "base/path.h"
#include "base/text.h"

/* Rows of the largest block: what a screen can show. */
enum { LETTERS_ROWS = 16, COLOURS_ROWS = 32 };

/* Percent of a cell's pages that changed: few are at most, and some. */
enum { FEW = 10, SOME = 50 };

const char *const map_look_words[LOOKS] = {
	[LOOK_ZERO] = "zero",
	[LOOK_SAME] = "same",
	[LOOK_FEW] = "changed: up to 10 %",
	[LOOK_SOME] = "up to 50 %",
	[LOOK_MANY] = "more, of a cell's pages",
};

static const struct {
	const char *end;
	enum map_type type;
} types[] = { { ".svg", MAP_SVG }, { ".png", MAP_PNG }, { ".txt", MAP_LETTERS } };

static bool to_stdout(const struct map *map)
{
	return strcmp(map->path, "-") == 0;
}

static int set_type(struct map *map, struct err *e)
{
	const char *dot = strrchr(path_base(map->path), '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
		map->type = types[i].type;
		if (strcmp(dot, types[i].end) == 0)
			return 0;
	}
	err_usage(e, "cannot tell the type of picture from the name '%s'", map->path);
	return err_hint(e, "end it with .svg, .png or .txt, or give - for standard output");
}

int map_check(struct map *map, struct err *e)
{
	map->type = MAP_LETTERS;
	if (!map->path || to_stdout(map))
		return 0;
	if (set_type(map, e) < 0)
		return -1;
	if (!map->force && access(map->path, F_OK) == 0) {
		err_set(e, "'%s' exists", map->path);
		return err_hint(e, "--force overwrites it");
	}
	return 0;
}

size_t map_most_cells(const struct map *map)
{
	if (!map->path)
		return 0;
	return map->type == MAP_LETTERS ? LETTERS_COLUMNS * LETTERS_ROWS : COLOURS_COLUMNS * COLOURS_ROWS;
}

enum map_look map_look_of(const struct cell *cell)
{
	uint64_t percent, pages = cell->zero + cell->same + cell->changed;

	if (!cell->changed)
		return cell->same ? LOOK_SAME : LOOK_ZERO;
	percent = (cell->changed * 100 + pages - 1) / pages;
	return percent <= FEW ? LOOK_FEW : percent <= SOME ? LOOK_SOME : LOOK_MANY;
}

size_t map_rows_of(const struct block_diff *b, size_t columns)
{
	return (b->n_cells + columns - 1) / columns;
}

static void add_cells(struct cell *sum, const struct block_diff *b)
{
	for (size_t i = 0; i < b->n_cells; i++) {
		sum->zero += b->cells[i].zero;
		sum->same += b->cells[i].same;
		sum->changed += b->cells[i].changed;
	}
}

static char *text_of_sum(const char *name, const struct cell *sum)
{
	char all[16], changed[16], same[16], zero[16];

	return text_of("%s, %s: %s changed, %s same, %s zero", name,
		       number_bytes((sum->zero + sum->same + sum->changed) * STREAM_PAGE, all),
		       number_bytes(sum->changed * STREAM_PAGE, changed), number_bytes(sum->same * STREAM_PAGE, same),
		       number_bytes(sum->zero * STREAM_PAGE, zero));
}

/* With its directories only where the last names say nothing. */
char *map_text_of_side(const struct map *map, int side)
{
	const char *paths[] = { map->s[0].path, map->s[1].path };
	const char *bases[] = { path_base(paths[0]), path_base(paths[1]) };
	bool whole = !*bases[0] || !*bases[1] || strcmp(bases[0], bases[1]) == 0;
	_cleanup_free_ char *name = escape(whole ? paths[side] : bases[side]);

	return text_of("%s: %s", side == 0 ? "first" : "second", name);
}

char *map_text_of_all(const struct map *map)
{
	struct cell sum = { 0 };

	for (size_t i = 0; i < map->d->n; i++)
		add_cells(&sum, &map->d->blocks[i]);
	return text_of_sum("memory", &sum);
}

char *map_text_of_cell(const struct map *map)
{
	char size[16];

	return text_of("a cell is %s", number_bytes(map->d->cell_pages * STREAM_PAGE, size));
}

char *map_text_of_block(const struct block_diff *b)
{
	_cleanup_free_ char *name = escape(b->name);
	struct cell sum = { 0 };

	add_cells(&sum, b);
	return text_of_sum(name, &sum);
}

static int letters_bytes(const struct map *map, char **bytes, size_t *size, struct err *e)
{
	FILE *f = open_memstream(bytes, size);

	if (!f)
		return err_sys(e, errno, "cannot draw");
	map_letters(f, map);
	return fclose(f) == 0 ? 0 : err_sys(e, errno, "cannot draw");
}

int map_draw(const struct map *map, struct err *e)
{
	_cleanup_free_ char *bytes = NULL;
	size_t size = 0;

	if ((map->type == MAP_LETTERS ? letters_bytes : map_colours)(map, &bytes, &size, e) < 0)
		return -1;
	if (!to_stdout(map))
		return file_publish(map->path, bytes, size, 0600, map->force, e);
	fwrite(bytes, 1, size, stdout);
	return 0;
}
