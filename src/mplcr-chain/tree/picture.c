/* SPDX-License-Identifier: MIT */
/*
 * The picture for people, 80 columns wide. An image is in the same column as the one above it in the picture where
 * it is its only overlay, or has most of the images above that; smaller branches hang to the right:
 *
 *     # base.img
 *     o x1.ovl
 *     |-o run-1/d0.ovl
 *     o x2.ovl
 *
 * So a chain of any length is a list, and each branch to the right is at most half of what it hangs on: a thousand
 * overlays need no more than ten columns for them.
 */
#include "tree/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "columns.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/number.h"

enum {
	WIDTH = 80,
	NAME_MIN = 12, /* columns of the names, with what is drawn before them */
	NAME_MAX = 34,
	SIZE = 11, /* columns of a size, with the blank before it */
	GAP = 2,   /* before the notes */
};

/* What lines are drawn with, each two columns wide. */
struct pen {
	const char *base, *overlay, *broken, *checkpoint; /* before a name */
	const char *branch, *last, *down, *nothing;
};

static const struct pen letters = { "# ", "o ", "! ", "* ", "|-", "`-", "| ", "  " };
static const struct pen boxes = { "■ ", "● ", "! ", "◆ ", "├─", "└─", "│ ", "  " };

struct row {
	size_t image;
	char *first; /* what is drawn before its name */
	char *rest;  /* and before further lines of the same image */
};

struct picture {
	const struct tree *tree;
	const struct pen *pen;
	size_t *child,
		*sibling; /* of each image: its first overlay, and the next overlay of its backing file */
	size_t *weight;   /* of each image: how many there are from it up */
	struct row *rows;
	size_t n_rows;
};

/* --- which image is where ---------------------------------------------------------------------------------------- */

static void find_children(struct picture *p)
{
	const struct forest *f = p->tree->forest;

	for (size_t i = 0; i < f->n_images; i++)
		p->child[i] = p->sibling[i] = FOREST_NONE;
	for (size_t i = f->n_images; i-- > 0;) { /* so that the first of the forest comes first */
		size_t below = f->images[i].below;

		if (below != FOREST_NONE) {
			p->sibling[i] = p->child[below];
			p->child[below] = i;
		}
	}
}

/* From the leaves down: an image is added to the one below once all its overlays are. */
static void weigh(struct picture *p)
{
	const struct forest *f = p->tree->forest;
	_cleanup_free_ size_t *missing = memory_of(f->n_images, sizeof(*missing));

	for (size_t i = 0; i < f->n_images; i++) {
		p->weight[i]++;
		if (f->images[i].below != FOREST_NONE)
			missing[f->images[i].below]++;
	}
	for (size_t i = 0; i < f->n_images; i++) {
		size_t at = p->child[i] == FOREST_NONE ? i : FOREST_NONE;

		while (at != FOREST_NONE && missing[at] == 0) {
			size_t below = f->images[at].below;

			if (below != FOREST_NONE) {
				p->weight[below] += p->weight[at];
				missing[below]--;
			}
			at = below;
		}
	}
}

/* The child of `i` that goes on in its column: one that outweighs all others together. FOREST_NONE where none does. */
static size_t main_child(const struct picture *p, size_t i)
{
	size_t all = p->weight[i] - 1;

	for (size_t c = p->child[i]; c != FOREST_NONE; c = p->sibling[c])
		if (p->weight[c] > all - p->weight[c])
			return c;
	return FOREST_NONE;
}

static void add_row(struct picture *p, size_t i, const char *first, const char *rest)
{
	const struct forest_image *image = &p->tree->forest->images[i];
	const char *mark = image->fault ? p->pen->broken : image->below_name ? p->pen->overlay : p->pen->base;

	p->rows[p->n_rows++] = (struct row){
		.image = i,
		.first = text_of("%s%s", first, mark),
		.rest = text_of("%s%s", rest, p->child[i] != FOREST_NONE ? p->pen->down : p->pen->nothing),
	};
}

/* The image and all above it. `first` is drawn before the image, `rest` before what follows in its column. */
static void add_column(struct picture *p, size_t i, const char *first, const char *rest)
{
	for (;; first = rest) {
		size_t goes_on_with = main_child(p, i);

		add_row(p, i, first, rest);
		for (size_t c = p->child[i]; c != FOREST_NONE; c = p->sibling[c]) {
			bool last = goes_on_with == FOREST_NONE && p->sibling[c] == FOREST_NONE;
			_cleanup_free_ char *before = text_of("%s%s", rest, last ? p->pen->last : p->pen->branch);
			_cleanup_free_ char *below = text_of("%s%s", rest, last ? p->pen->nothing : p->pen->down);

			if (c != goes_on_with)
				add_column(p, c, before, below);
		}
		if (goes_on_with == FOREST_NONE)
			return;
		i = goes_on_with;
	}
}

/* --- notes ------------------------------------------------------------------------------------------------------- */

enum { NOTES_MAX = 64 };

/* What is said of an image behind its sizes. */
struct notes {
	char *texts[NOTES_MAX];
	size_t n;
};

/* Takes over `text`. */
static void add_note(struct notes *notes, char *text)
{
	if (notes->n < NOTES_MAX)
		notes->texts[notes->n++] = text;
	else
		free(text);
}

static void note_use(struct notes *notes, const struct forest_image *image)
{
	const char *what = image->use == IMAGE_WRITTEN ? "active" : "read";

	/* That the images below are read, too, goes without saying. */
	if (image->use == IMAGE_UNUSED || (image->use == IMAGE_READ && image->n_above > 0))
		return;
	add_note(notes, image->pid ? text_of("%s (pid %d)", what, image->pid) : text_of("%s", what));
}

/* Who needs the image and is not drawn above it. */
static void note_claims(struct notes *notes, const struct tree *t, size_t i)
{
	const struct forest *f = t->forest;

	for (size_t k = 0; k < f->n_claims; k++)
		if (f->claims[k].base == i && !f->claims[k].gone && !f->claims[k].seen)
			add_note(notes, text_of("claimed by %s", tree_name(t, f->claims[k].user)));
}

static void take_notes(struct notes *notes, const struct tree *t, size_t i)
{
	const struct forest_image *image = &t->forest->images[i];

	if (image->fault)
		add_note(notes, text_of("broken"));
	if (image->n_above == 0)
		add_note(notes, text_of("leaf"));
	note_use(notes, image);
	note_claims(notes, t, i);
	for (size_t k = t->first_frozen[i]; k != FOREST_NONE; k = t->frozen[k].next)
		add_note(notes, text_of("frozen by %s",
					forest_checkpoint_name(&t->forest->checkpoints[t->frozen[k].checkpoint])));
	if (image->format != IMAGE_QCOW2)
		add_note(notes, text_of("%s", image_format_name(image->format)));
	for (size_t k = 0; k < image->n_also; k++)
		add_note(notes, text_of("needs %s", tree_name(t, t->forest->images[image->also[k]].path)));
	if (image->below_name && image->below == FOREST_NONE && !image->fault)
		add_note(notes, text_of("on %s", image->below_name));
}

/* --- printing ---------------------------------------------------------------------------------------------------- */

/* A line of notes has been printed up to the column where they begin: as many as fit; *done counts them. */
static void print_notes(const struct notes *notes, size_t *done, size_t room)
{
	size_t used = 0;

	while (*done < notes->n) {
		_cleanup_free_ char *text = columns_fit_escaped(notes->texts[*done], room);
		size_t need = columns_of(text) + (used > 0 ? 2 : 0);

		if (used > 0 && used + need + 1 > room) /* a comma may follow */
			break;
		printf("%s%s", used > 0 ? ", " : "", text);
		used += need;
		++*done;
	}
	if (*done < notes->n)
		putchar(',');
	putchar('\n');
}

/* A sentence, over as many lines as it takes, each behind `before`. */
static void print_wrapped(const char *before, const char *text)
{
	_cleanup_free_ char *clean = escape(text);
	size_t start = columns_of(before) + 2, used = 0;
	char *rest = clean, *word;

	while ((word = strsep(&rest, " ")) != NULL) {
		_cleanup_free_ char *part = columns_fit(word, WIDTH - start);

		if (used > 0 && used + 1 + columns_of(part) > WIDTH - start) {
			putchar('\n');
			used = 0;
		}
		used += columns_of(part) + (used > 0 ? 1 : 0);
		if (used == columns_of(part))
			printf("%s  %s", before, part);
		else
			printf(" %s", part);
	}
	putchar('\n');
}

static void print_row(const struct picture *p, const struct row *row, size_t name_width)
{
	const struct forest_image *image = &p->tree->forest->images[row->image];
	size_t lead = columns_of(row->first), notes_at = name_width + 2 * SIZE + GAP, done = 0;
	_cleanup_free_ char *name =
		columns_fit_escaped(tree_name(p->tree, image->path), name_width > lead + 8 ? name_width - lead : 8);
	struct notes notes = { .n = 0 };
	char bytes[16];

	take_notes(&notes, p->tree, row->image);
	fputs(row->first, stdout);
	columns_print(name, name_width > lead ? name_width - lead : 0);
	printf("%*s", SIZE, image->virtual_size ? number_bytes(image->virtual_size, bytes) : "-");
	printf("%*s", SIZE, number_bytes(image->allocated, bytes));
	if (notes.n > 0)
		printf("%*s", GAP, "");
	print_notes(&notes, &done, WIDTH - notes_at);
	while (done < notes.n) {
		columns_print(row->rest, notes_at);
		print_notes(&notes, &done, WIDTH - notes_at);
	}
	if (image->fault)
		print_wrapped(row->rest, image->fault);
	for (size_t i = 0; i < notes.n; i++)
		free(notes.texts[i]);
}

/* The width of the column of names, all of which fit, or lose their middle. */
static size_t width_of_names(const struct picture *p)
{
	size_t width = NAME_MIN;

	for (size_t i = 0; i < p->n_rows; i++) {
		const char *path = p->tree->forest->images[p->rows[i].image].path;
		_cleanup_free_ char *clean = escape(tree_name(p->tree, path));
		size_t need = columns_of(p->rows[i].first) + columns_of(clean);

		if (need > width)
			width = need;
	}
	return width < NAME_MAX ? width : NAME_MAX;
}

static void print_images(const struct picture *p)
{
	const struct forest *f = p->tree->forest;
	size_t name_width = width_of_names(p);

	if (p->n_rows == 0)
		return;
	printf("%*s%*s%*s\n", (int)name_width, "", SIZE, "virtual", SIZE, "stored");
	for (size_t i = 0; i < p->n_rows; i++) {
		size_t image = p->rows[i].image;
		bool tree_begins = f->images[image].below == FOREST_NONE;

		/* There is a gap between trees, but for those of one image. */
		if (i > 0 && tree_begins &&
		    (p->weight[image] > 1 || f->images[p->rows[i - 1].image].below != FOREST_NONE))
			putchar('\n');
		print_row(p, &p->rows[i], name_width);
	}
}

static void print_checkpoints(const struct picture *p)
{
	const struct forest *f = p->tree->forest;

	if (f->n_checkpoints > 0)
		printf("%scheckpoints\n", p->n_rows > 0 ? "\n" : "");
	for (size_t i = 0; i < f->n_checkpoints; i++) {
		const struct forest_checkpoint *c = &f->checkpoints[i];
		_cleanup_free_ char *name = columns_fit_escaped(forest_checkpoint_name(c), 20);
		_cleanup_free_ char *dir = columns_fit_escaped(tree_name(p->tree, c->dir), 34);
		_cleanup_free_ char *clean = escape(c->m && c->m->created ? c->m->created : "");
		_cleanup_free_ char *time = text_of("%.*s", (int)(columns_at(clean, 19) - clean), clean);

		fputs(c->fault ? p->pen->broken : p->pen->checkpoint, stdout);
		columns_print(name, 21);
		columns_print(time, 21);
		printf("%s\n", dir);
		if (c->fault)
			print_wrapped(p->pen->nothing, c->fault);
	}
}

int tree_draw(const struct tree *t, struct err *e)
{
	const struct forest *f = t->forest;
	struct picture p = {
		.tree = t,
		.pen = columns_utf8() ? &boxes : &letters,
		.child = memory_of(f->n_images, sizeof(size_t)),
		.sibling = memory_of(f->n_images, sizeof(size_t)),
		.weight = memory_of(f->n_images, sizeof(size_t)),
		.rows = memory_of(f->n_images, sizeof(struct row)),
	};
	_cleanup_free_ char *common = columns_fit_escaped(t->common, WIDTH - 1);

	(void)e;
	find_children(&p);
	weigh(&p);
	for (size_t i = 0; i < f->n_images; i++)
		if (f->images[i].below == FOREST_NONE)
			add_column(&p, i, "", "");
	if (p.n_rows > 0 || f->n_checkpoints > 0)
		printf("%s:\n", common);
	print_images(&p);
	print_checkpoints(&p);
	for (size_t i = 0; i < p.n_rows; i++) {
		free(p.rows[i].first);
		free(p.rows[i].rest);
	}
	free(p.child);
	free(p.sibling);
	free(p.weight);
	free(p.rows);
	return 0;
}
