/* SPDX-License-Identifier: MIT */
/* The forest as one JSON object. */
#include "tree/tree.h"

#include "base/json.h"

static json_t *text_or_null(const char *text)
{
	return text ? json_string_of(text) : json_null();
}

static const char *use_name(enum image_use use)
{
	return use == IMAGE_WRITTEN ? "written" : use == IMAGE_READ ? "read" : NULL;
}

/* The paths of images. */
static json_t *paths_of(const struct forest *f, const size_t *list, size_t n)
{
	json_t *paths = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(paths, json_string_of(f->images[list[i]].path));
	return paths;
}

static json_t *frozen_by(const struct tree *t, size_t i)
{
	json_t *names = json_array();

	for (size_t k = t->first_frozen[i]; k != FOREST_NONE; k = t->frozen[k].next)
		json_array_append_new(names, json_string_of(forest_checkpoint_name(
						     &t->forest->checkpoints[t->frozen[k].checkpoint])));
	return names;
}

static json_t *claims_of(const struct forest *f, size_t i)
{
	json_t *list = json_array();

	for (size_t k = 0; k < f->n_claims; k++) {
		const struct forest_claim *c = &f->claims[k];

		if (c->base == i)
			json_array_append_new(list, json_of("{s:o, s:o, s:o, s:b, s:b}", "user",
							    json_string_of(c->user), "claim", json_string_of(c->file),
							    "by", text_or_null(c->by), "authentic", c->authentic,
							    "gone", c->gone));
	}
	return list;
}

static json_t *image_json(const struct tree *t, size_t i)
{
	const struct forest *f = t->forest;
	const struct forest_image *image = &f->images[i];
	const char *below = image->below == FOREST_NONE ? NULL : f->images[image->below].path;
	const char *inside = image->inside == FOREST_NONE ? NULL : f->checkpoints[image->inside].dir;

	return json_of("{s:o, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:b, s:o, s:b, s:o, s:s?, s:o, s:o, s:o}", "path",
		       json_string_of(image->path), "format", image_format_name(image->format), "virtual_bytes",
		       (json_int_t)image->virtual_size, "file_bytes", (json_int_t)image->size, "stored_bytes",
		       (json_int_t)image->allocated, "stands_on", text_or_null(below), "backing_name",
		       text_or_null(image->below_name), "needs", paths_of(f, image->also, image->n_also), "leaf",
		       image->n_above == 0, "frozen_by", frozen_by(t, i), "outside", image->outside, "inside",
		       text_or_null(inside), "use", use_name(image->use), "pid",
		       image->pid ? json_integer(image->pid) : json_null(), "fault", text_or_null(image->fault), "claims", claims_of(f, i));
}

static json_t *checkpoint_json(const struct forest *f, const struct forest_checkpoint *c)
{
	return json_of("{s:o, s:o, s:o, s:o, s:o, s:o}", "name", json_string_of(forest_checkpoint_name(c)),
		       "checkpoint", json_string_of(c->dir), "created", text_or_null(c->m ? c->m->created : NULL),
		       "parent", text_or_null(c->m ? c->m->parent : NULL), "images",
		       paths_of(f, c->images, c->n_images), "fault", text_or_null(c->fault));
}

int tree_draw_json(const struct tree *t, struct err *e)
{
	json_t *images = json_array(), *checkpoints = json_array();
	_cleanup_json_ json_t *whole = json_of("{s:s, s:o, s:o, s:o, s:I}", "schema", "mplcr.chain.tree/1", "directory",
					       json_string_of(t->common), "images", images, "checkpoints", checkpoints,
					       "unread", (json_int_t)t->forest->n_unread);

	for (size_t i = 0; i < t->forest->n_images; i++)
		json_array_append_new(images, image_json(t, i));
	for (size_t i = 0; i < t->forest->n_checkpoints; i++)
		json_array_append_new(checkpoints, checkpoint_json(t->forest, &t->forest->checkpoints[i]));
	return json_print(whole, e);
}
