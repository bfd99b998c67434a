/* SPDX-License-Identifier: MIT */
#include "info/info.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "checkpoint/layout.h"

static json_t *text_or_null(const char *text)
{
	return text ? json_string_of(text) : json_null();
}

static json_t *blocks_to_json(const struct saved *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->ram.n; i++) {
		const struct ram_block *b = &s->ram.blocks[i];
		uint64_t stored = b->stored * STREAM_PAGE, zero = b->zero * STREAM_PAGE;

		json_array_append_new(list, json_of("{s:o, s:I, s:I, s:I, s:I}", "name", json_string_of(b->name), "size",
						    (json_int_t)b->length, "stored", (json_int_t)stored, "zero",
						    (json_int_t)zero, "holes", (json_int_t)(b->length - stored - zero)));
	}
	return list;
}

json_t *info_device_to_json(const struct device *d)
{
	return json_of("{s:o, s:I, s:I, s:I}", "name", json_string_of(d->name), "instance", (json_int_t)d->instance,
		       "version", (json_int_t)d->version, "size", (json_int_t)d->size);
}

static json_t *devices_to_json(const struct saved *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->devices.n; i++)
		json_array_append_new(list, info_device_to_json(&s->devices.list[i]));
	return list;
}

json_t *info_to_json(const struct saved *s)
{
	_cleanup_free_ char *state = saved_run_state(s);
	const struct manifest *m = s->m;
	_cleanup_free_ char *version = m ? text_of("%d.%d.%d", m->qemu_version / 10000, m->qemu_version / 100 % 100,
						   m->qemu_version % 100)
					 : NULL;
	const char *run_state = m && m->run_state ? m->run_state : state;

	return json_of("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:o, s:o}", "schema",
		       "mplcr.state.info/1", "path", json_string_of(s->path), "kind",
		       m ? "checkpoint" : s->input.form, "layout", text_or_null(m ? m->layout->name : NULL),
		       "compression", text_or_null(s->input.packed), "qemu_version", text_or_null(version),
		       "qemu_package", text_or_null(m ? m->qemu_package : NULL), "machine", json_string_of(s->machine),
		       "run_state", text_or_null(run_state), "saved_run_state", text_or_null(state), "stream_bytes",
		       (json_int_t)s->stream_bytes, "described", s->devices.description != NULL, "ram_blocks",
		       blocks_to_json(s), "devices", devices_to_json(s));
}
