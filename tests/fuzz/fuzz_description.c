/* SPDX-License-Identifier: MIT */
/*
 * The reader of devices, given any tail with any description. It must not crash, and what it finds must hold: contents and
 * fields lie inside of the tail, in order.
 *
 * The first two bytes of the input, big-endian, are the length of the description at its end.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "state/description.h"

static void check(bool holds)
{
	if (!holds)
		abort();
}

struct seen {
	const struct device *device;
	const uint8_t *last;
};

static int on_field(void *ctx, const struct device_field *f, struct err *e)
{
	struct seen *seen = ctx;
	char *text = device_field_text(f, 40);
	json_t *value = device_field_value(f);

	(void)e;
	check(text && value && f->size > 0 && f->data >= seen->last);
	check(f->data + f->size <= seen->device->content + seen->device->size);
	seen->last = f->data + f->size;
	json_decref(value);
	free(text);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t description = size >= 2 ? (size_t)data[0] << 8 | data[1] : 0;
	struct devices d;
	struct err e = { 0 };
	uint8_t *tail;

	if (size < 2)
		return 0;
	tail = malloc(size - 2);
	memcpy(tail, data + 2, size - 2);
	if (devices_read(&d, tail, size - 2, description, &e) == 0) {
		for (size_t i = 0; i < d.n; i++) {
			struct seen seen = { &d.list[i], d.list[i].content };

			check(seen.device->content >= tail && seen.device->size <= size);
			check(device_fields(seen.device, on_field, &seen, &e) == 0);
		}
	} else {
		check(e.text[0]);
	}
	devices_release(&d);
	return 0;
}
