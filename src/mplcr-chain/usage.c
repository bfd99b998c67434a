/* SPDX-License-Identifier: MIT */
/*
 * mplcr-chain usage: what each layer of a chain stores, and what of it can still be seen from the top. `qemu-img map`
 * of the top tells for each piece of the disk how deep the layer lies that it is read from; of one layer without those
 * below (layer.h), all that it stores.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layer.h"
#include "image/chain.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "columns.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "qemu/keyval.h"
#include "base/lines.h"
#include "base/number.h"
#include "base/process.h"
#include "tool.h"

enum {
	NAME_WIDTH = 36,
	FIGURE_WIDTH = 11,
	CLUSTER = 65536,
	MAP_END_MS = 10000, /* from the end of a map to the end of qemu-img */
};

struct options {
	bool json;
};

static const struct cli_option option_table[] = {
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

struct layer {
	uint64_t file;            /* bytes that its file takes, with its external data file */
	uint64_t stored, visible; /* bytes of the guest's disk */
};

struct usage {
	const struct chain *chain;
	struct layer *layers; /* as many as images, in their order */
};

/* --- maps -------------------------------------------------------------------------------------------------------- */

/* Where the pieces of a map are added: to the layer at their depth, or all to one. */
struct sums {
	uint64_t *of_depth; /* NULL: all to `all` */
	size_t n;
	uint64_t all;
};

/* One piece, "{ "start": 0, "length": 65536, "depth": 0, …}". Returns 0, or -1 where it is none. */
static int add_piece(struct sums *sums, const char *text, size_t size)
{
	_cleanup_json_ json_t *piece = json_loadb(text, size, 0, NULL);
	int64_t length = json_int(piece, "length", -1), depth = json_int(piece, "depth", -1);

	if (length < 0 || depth < 0 || (sums->of_depth && (uint64_t)depth >= sums->n))
		return -1;
	if (!json_flag(piece, "data"))
		return 0;
	return __builtin_add_overflow(sums->of_depth ? sums->of_depth[depth] : sums->all, (uint64_t)length,
				      sums->of_depth ? &sums->of_depth[depth] : &sums->all)
		       ? -1
		       : 0;
}

/*
 * Reads a map as it comes, a piece a line ("[{…},", "{…},", "{…}]"): that of a large image has millions. Other lines
 * are qemu-img's messages; the first is kept in `said`. Returns 0 or -1.
 */
static int read_pieces(struct sums *sums, int fd, char *said, size_t said_size, struct err *e)
{
	struct lines *lines = lines_new(fd);
	struct line line;
	int result;

	said[0] = '\0';
	while ((result = lines_next(lines, &line, e)) > 0) {
		if (line.length > 0 && line.start[0] == '[') {
			line.start++;
			line.length--;
		}
		if (line.length > 0 && (line.start[line.length - 1] == ',' || line.start[line.length - 1] == ']'))
			line.length--;
		if (line.length == 0)
			continue;
		if (line.start[0] != '{' && !said[0])
			snprintf(said, said_size, "%.*s", (int)line.length, line.start);
		if (line.start[0] == '{' && add_piece(sums, line.start, line.length) < 0) {
			result = err_set(e, "qemu-img map gave an impossible answer: '%.*s'",
					 (int)(line.length < 200 ? line.length : 200), line.start);
			break;
		}
	}
	lines_free(lines);
	return result;
}

/* Reads the map that the process prints, and waits for its end. Returns 0 or -1. */
static int read_map(struct process *p, struct sums *sums, const char *path, struct err *e)
{
	_cleanup_free_ char *rest = NULL;
	struct err why;
	char said[512];
	int result = read_pieces(sums, p->fd, said, sizeof(said), e);

	if (result < 0) {
		close(p->fd); /* it prints no more */
		p->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	if (process_finish(p, "qemu-img map", clock_in_ms(MAP_END_MS), -1, &rest, &why) < 0 && result == 0)
		result = said[0] ? process_failed("qemu-img map", said, e) : (*e = why, -1);
	return result < 0 ? err_prefix(e, "'%s'", path) : 0;
}

static int map_top(struct usage *u, struct err *e)
{
	const struct chain *c = u->chain;
	_cleanup_free_ char *name = keyval_escape(c->images[0].path);
	_cleanup_free_ char *options =
		text_of("driver=%s,file.driver=file,file.filename=%s", image_format_name(c->images[0].format), name);
	char *argv[] = { "qemu-img", "map", "-U", "--output=json", "--image-opts", options, NULL };
	_cleanup_free_ uint64_t *visible = memory_of(c->n, sizeof(*visible));
	struct sums sums = { .of_depth = visible, .n = c->n };
	struct process p;

	if (process_start(&p, argv, -1, e) < 0 || read_map(&p, &sums, c->images[0].path, e) < 0)
		return -1;
	for (size_t i = 0; i < c->n; i++)
		u->layers[i].visible = visible[i];
	return 0;
}

static int map_layer(struct usage *u, size_t i, struct err *e)
{
	const struct chain_image *image = &u->chain->images[i];
	_cleanup_close_ int fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct sums sums = { .n = 0 };
	struct process p;

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", image->path);
	if (layer_qemu_img(&p, "map", image, fd, (struct process_setup){ .input = -1 }, e) < 0 ||
	    read_map(&p, &sums, image->path, e) < 0)
		return -1;
	u->layers[i].stored = sums.all;
	return 0;
}

static void size_of_files(struct usage *u)
{
	for (size_t i = 0; i < u->chain->n; i++) {
		const struct chain_image *image = &u->chain->images[i];
		struct stat st;

		u->layers[i].file = image->allocated;
		if (image->data_path && stat(image->data_path, &st) == 0)
			u->layers[i].file += (uint64_t)st.st_blocks * 512;
	}
}

/* --- figures ----------------------------------------------------------------------------------------------------- */

/* What a layer stores that cannot be seen from the top. A VM that wrote between two maps may make it less than none. */
static uint64_t shadowed(const struct layer *layer)
{
	return layer->stored > layer->visible ? layer->stored - layer->visible : 0;
}

struct total {
	uint64_t file, stored, visible, shadowed;
	bool in_use;
};

static struct total add_up(const struct usage *u)
{
	struct total t = { 0 };

	for (size_t i = 0; i < u->chain->n; i++) {
		t.file += u->layers[i].file;
		t.stored += u->layers[i].stored;
		t.visible += u->layers[i].visible;
		t.shadowed += shadowed(&u->layers[i]);
		t.in_use |= u->chain->images[i].use == IMAGE_WRITTEN;
	}
	return t;
}

/*
 * What the files would be smaller by if all that is visible were in one qcow2 image, which takes four clusters, and
 * eight bytes for each cluster of data, for itself; nothing where compression or the like makes them smaller than that.
 */
static uint64_t saving(const struct total *t)
{
	uint64_t flat = t->visible + t->visible / (CLUSTER / 8) + 4 * CLUSTER;

	return t->file > flat ? t->file - flat : 0;
}

static void print_line(const char *name, const uint64_t figures[4])
{
	_cleanup_free_ char *text = columns_fit_escaped(name, NAME_WIDTH);
	char bytes[16];

	columns_print(text, NAME_WIDTH);
	for (size_t i = 0; i < 4; i++)
		printf("%*s", FIGURE_WIDTH, number_bytes(figures[i], bytes));
	putchar('\n');
}

static void print_table(const struct usage *u)
{
	const struct total t = add_up(u);
	char save[16], of[16];

	printf("%-*s%*s%*s%*s%*s\n", NAME_WIDTH, "", FIGURE_WIDTH, "file", FIGURE_WIDTH, "stored", FIGURE_WIDTH,
	       "visible", FIGURE_WIDTH, "shadowed");
	for (size_t i = 0; i < u->chain->n; i++) {
		const struct layer *layer = &u->layers[i];

		print_line(path_base(u->chain->images[i].path),
			   (const uint64_t[]){ layer->file, layer->stored, layer->visible, shadowed(layer) });
	}
	print_line("all", (const uint64_t[]){ t.file, t.stored, t.visible, t.shadowed });
	printf("flattening would save %s of %s\n", number_bytes(saving(&t), save), number_bytes(t.file, of));
}

static int print_json(const struct usage *u, struct err *e)
{
	const struct total t = add_up(u);
	json_t *layers = json_array();
	_cleanup_json_ json_t *whole = json_of(
		"{s:s, s:o, s:b, s:o, s:I, s:I, s:I, s:I, s:I}", "schema", "mplcr.chain.usage/1", "image",
		json_string_of(u->chain->images[0].path), "in_use", t.in_use, "layers", layers, "file_bytes",
		(json_int_t)t.file, "stored_bytes", (json_int_t)t.stored, "visible_bytes", (json_int_t)t.visible,
		"shadowed_bytes", (json_int_t)t.shadowed, "flatten_saves_bytes", (json_int_t)saving(&t));

	for (size_t i = 0; i < u->chain->n; i++) {
		const struct chain_image *image = &u->chain->images[i];
		const struct layer *layer = &u->layers[i];

		json_array_append_new(
			layers, json_of("{s:o, s:s, s:I, s:I, s:I, s:I}", "path", json_string_of(image->path), "format",
					image_format_name(image->format), "file_bytes", (json_int_t)image->allocated,
					"stored_bytes", (json_int_t)layer->stored, "visible_bytes",
					(json_int_t)layer->visible, "shadowed_bytes", (json_int_t)shadowed(layer)));
	}
	return json_print(whole, e);
}

/* --- the verb ---------------------------------------------------------------------------------------------------- */

static int usage(const char *path, struct in_use *use, bool json, struct err *e)
{
	const struct chain_options options = { .use = use };
	_cleanup_chain_ struct chain *c = chain_read_with(path, &options);
	_cleanup_free_ struct layer *layers = memory_of(c->n, sizeof(*layers));
	struct usage u = { .chain = c, .layers = layers };

	/* qemu-img map goes round a cycle for ever. */
	if (chain_whole(c, e) < 0)
		return err_hint(e, "mplcr-chain verify lists all faults of the chain");
	size_of_files(&u);
	if (map_top(&u, e) < 0)
		return -1;
	for (size_t i = 0; i < c->n; i++) {
		cli_progress_line("layer %zu of %zu", i + 1, c->n);
		if (map_layer(&u, i, e) < 0)
			return -1;
	}
	cli_progress_end();
	if (add_up(&u).in_use)
		cli_note("this chain is being written to: the figures are a snapshot in time");
	if (json)
		return print_json(&u, e);
	print_table(&u);
	return 0;
}

static int usage_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct in_use use = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_usage, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first + 1 != argc)
		result = err_usage(&e, first == argc ? "IMAGE is missing" : "one image at a time");
	if (result >= 0)
		result = usage(argv[first], &use, o.json, &e);
	if (result == 0)
		result = cli_flush(&e);
	in_use_release(&use);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_usage = {
	.tool = "mplcr-chain",
	.verb = "usage",
	.summary = "what each layer of a chain stores and hides",
	.usage = "[OPTION]... IMAGE",
	.about = "Prints what each layer of the image's chain stores, how much of it can still be seen from "
		 "the top,\n"
		 "and what flattening the chain would save.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 1,
	.run = usage_main,
};
