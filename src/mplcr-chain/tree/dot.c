/* SPDX-License-Identifier: MIT */
/* The forest as a graph in the language of graphviz (its documentation, "The DOT Language"). */
#include "tree/tree.h"

#include <jansson.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/json.h"
#include "base/number.h"

/*
 * The inside of a quoted string: control bytes as \xNN, and what the quotes and the escapes of labels are made of with
 * a backslash before it. graphviz wants UTF-8.
 */
static void print_quoted(const char *text)
{
	_cleanup_json_ json_t *valid = json_string_of(text);
	_cleanup_free_ char *clean = escape(json_string_value(valid));

	for (const char *c = clean; *c; c++) {
		if (*c == '"' || *c == '\\')
			putchar('\\');
		putchar(*c);
	}
}

static const char *style_of(const struct forest_image *image)
{
	if (image->fault)
		return ", color=red, fontcolor=red";
	if (image->use == IMAGE_WRITTEN)
		return ", color=darkgreen, penwidth=2";
	return image->n_above == 0 ? ", style=\"rounded,bold\"" : "";
}

static void print_image(const struct tree *t, size_t i)
{
	const struct forest_image *image = &t->forest->images[i];
	char size[16], stored[16];

	printf("\ti%zu [label=\"", i);
	print_quoted(tree_name(t, image->path));
	printf("\\n%s %s, %s stored", image_format_name(image->format), number_bytes(image->virtual_size, size),
	       number_bytes(image->allocated, stored));
	if (image->use == IMAGE_WRITTEN && image->pid)
		printf("\\nactive (pid %d)", image->pid);
	else if (image->use == IMAGE_WRITTEN)
		printf("\\nactive");
	if (image->fault) {
		printf("\\n");
		print_quoted(image->fault);
	}
	printf("\"%s];\n", style_of(image));
	if (image->below != FOREST_NONE)
		printf("\ti%zu -> i%zu;\n", i, image->below);
	for (size_t k = 0; k < image->n_also; k++)
		printf("\ti%zu -> i%zu [style=dotted];\n", i, image->also[k]);
}

static void print_checkpoint(const struct forest_checkpoint *c, size_t i)
{
	printf("\tc%zu [shape=folder, label=\"", i);
	print_quoted(forest_checkpoint_name(c));
	if (c->fault) {
		printf("\\n");
		print_quoted(c->fault);
	}
	printf("\"%s];\n", c->fault ? ", color=red, fontcolor=red" : "");
}

int tree_draw_dot(const struct tree *t, struct err *e)
{
	(void)e;
	printf("digraph images {\n\trankdir=BT;\n\tnode [shape=box, style=rounded];\n\tlabel=\"");
	print_quoted(t->common);
	printf("\";\n");
	for (size_t i = 0; i < t->forest->n_images; i++)
		print_image(t, i);
	for (size_t i = 0; i < t->forest->n_checkpoints; i++)
		print_checkpoint(&t->forest->checkpoints[i], i);
	for (size_t i = 0; i < t->forest->n_images; i++)
		for (size_t k = t->first_frozen[i]; k != FOREST_NONE; k = t->frozen[k].next)
			printf("\tc%zu -> i%zu [style=dashed, arrowhead=none];\n", t->frozen[k].checkpoint, i);
	printf("}\n");
	return 0;
}
