/* SPDX-License-Identifier: MIT */
/*
 * The devices of a saved VM: the tail of a migration stream (stream.h), read with the description that QEMU sends at its
 * end. All of it is treated as hostile: what does not fit is an error or bytes, never followed.
 *
 * A section of a device in the tail:
 *
 *   0x04, u32 id, u8 length, name, u32 instance, u32 version; its content; 0x7e, u32 id
 *
 * The description is a JSON object: `devices`, in the order of the sections, each with `name`, `instance_id` and
 * `fields`. A field has `name`, `type` ("uint32", "buffer", "struct", …) and `size`, its bytes in the stream; `array_len`
 * where it stands for that many equal ones, `index` where it is one of several. One of type `struct` has a `struct` with
 * fields of its own; "vstruct" and "tmp" have the fields themselves. `subsections` follow the fields, each behind 0x05, u8
 * length, name, u32 version. (QEMU: migration/vmstate.c, scripts/analyze-migration.py.)
 */
#ifndef MPLCR_STATE_DESCRIPTION_H
#define MPLCR_STATE_DESCRIPTION_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct device {
	char name[256];
	uint32_t instance, version;
	const uint8_t *content;
	size_t size;        /* of the content, bytes */
	const json_t *desc; /* borrowed */
};

struct devices {
	uint8_t *tail;
	size_t n_tail;
	json_t *description; /* NULL: the stream has none, and `list` is empty */
	struct device *list;
	size_t n;
};

/*
 * Finds the devices in the tail of a stream, which is taken over, also after a failure. The description is its last
 * `description` bytes; 0: it has none. Returns 0 or -1.
 */
int devices_read(struct devices *d, uint8_t *tail, size_t len, size_t description, struct err *e)
	__attribute__((warn_unused_result));

void devices_release(struct devices *d);

/* The device of that name and instance, or NULL. */
const struct device *devices_find(const struct devices *d, const char *name, uint32_t instance);

/* A field of a device that has no fields of its own. */
struct device_field {
	const char *name; /* "env.regs[3]": with those of the structures around it */
	const char *type; /* as QEMU calls it */
	const uint8_t *data;
	size_t size;      /* bytes */
};

/* Calls `on` for each field, in order, until it returns other than 0. Returns that, or -1 where the description lies. */
int device_fields(const struct device *d, int (*on)(void *ctx, const struct device_field *f, struct err *e), void *ctx,
		  struct err *e) __attribute__((warn_unused_result));

/* The value: a boolean, an integer, or (larger numbers, other types) a string of hexadecimal digits. The caller's. */
json_t *device_field_value(const struct device_field *f);

/* The value for a person: "5", "true", "'running'", "00ff…"; malloc'd. Long ones are cut to `most` characters (0: not). */
char *device_field_text(const struct device_field *f, size_t most);

#endif
