/* SPDX-License-Identifier: MIT */
#include "seal/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/json.h"

#define SCHEMA "mplcr.chain.seal/1"
#define SUFFIX ".seal"

/*
 * The largest sidecar that is read or written: a chain of two thousand images. (Hostile JSON takes fifty times its size
 * in memory.)
 */
#define MAX_BYTES (512 << 10)

char *seal_path(const char *image)
{
	return text_of("%s%s", image, SUFFIX);
}

void seal_release(struct seal *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->images[i].path);
		free(s->images[i].format);
	}
	free(s->images);
	free(s->sealed);
	*s = (struct seal){ .n = 0 };
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* Returns 0, or -1 where something is missing or wrong. */
static int read_image(struct seal_image *image, const json_t *json)
{
	const json_t *data = json_object_get(json, "data_identity");

	image->path = text_copy(json_text(json, "path"));
	image->format = text_copy(json_text(json, "format"));
	image->has_data = data != NULL;
	if (!image->path || !image->format || identity_from_json(json_object_get(json, "identity"), &image->id) < 0)
		return -1;
	return data ? identity_from_json(data, &image->data) : 0;
}

/* Returns NULL, or what is wrong. */
static const char *read_seal(struct seal *s, const json_t *json)
{
	const json_t *images = json_object_get(json, "images");
	const char *schema = json_text(json, "schema"), *sum = json_text(json, "guest_xxh3");

	if (!schema || strcmp(schema, SCHEMA) != 0)
		return "its schema is not " SCHEMA;
	if (json_array_size(images) == 0)
		return "it has no list of images";
	if (sum && !digest_is(sum))
		return "'guest_xxh3' is not a checksum";
	s->sealed = text_copy(json_text(json, "sealed"));
	if (!s->sealed)
		return "it has no creation time";
	if (sum)
		strcpy(s->guest_xxh3, sum);
	s->images = memory_of(json_array_size(images), sizeof(*s->images));
	for (size_t i = 0; i < json_array_size(images); i++) {
		s->n = i + 1;
		if (read_image(&s->images[i], json_array_get(images, i)) < 0)
			return "an image in it has no path, format or identity";
	}
	return NULL;
}

int seal_load(struct seal *s, const char *image, struct err *e)
{
	_cleanup_free_ char *path = seal_path(image), *text = NULL;
	_cleanup_json_ json_t *json = NULL;
	const char *why;
	struct stat st;
	size_t size;

	*s = (struct seal){ .n = 0 };
	if (lstat(path, &st) < 0 && errno == ENOENT)
		return 0;
	text = file_read(AT_FDCWD, path, MAX_BYTES, &size, e);
	if (!text)
		return -1;
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	why = json ? read_seal(s, json) : "it is not JSON";
	return why ? err_set(e, "'%s' is not a seal: %s", path, why) : 1;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static json_t *image_json(const struct seal_image *image)
{
	return json_of("{s:o, s:s, s:o, s:o*}", "path", json_string_of(image->path), "format", image->format,
		       "identity", identity_to_json(&image->id), "data_identity",
		       image->has_data ? identity_to_json(&image->data) : NULL);
}

static json_t *seal_json(const struct seal *s)
{
	json_t *images = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(images, image_json(&s->images[i]));
	return json_of("{s:s, s:s, s:s*, s:o}", "schema", SCHEMA, "sealed", s->sealed, "guest_xxh3",
		       s->guest_xxh3[0] ? s->guest_xxh3 : NULL, "images", images);
}

int seal_store(const struct seal *s, const char *image, bool replace, struct err *e)
{
	_cleanup_json_ json_t *json = seal_json(s);
	_cleanup_free_ char *path = seal_path(image), *dumped = json_dumps(json, JSON_INDENT(1)), *text = NULL;
	struct stat st;

	if (stat(image, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", image);
	text = text_of("%s\n", dumped ? dumped : "");
	if (strlen(text) > MAX_BYTES)
		return err_set(e, "the chain of '%s' is too long for a seal", image);
	if (file_publish(path, text, strlen(text), 0600 | (st.st_mode & 0444), replace, e) == 0)
		return 0;
	if (e->sys != EEXIST || access(path, F_OK) < 0)
		return -1;
	err_set(e, "'%s' is already sealed", image);
	return err_hint(e, "--force seals it anew, as it is now");
}
