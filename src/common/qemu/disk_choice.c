/* SPDX-License-Identifier: MIT */
#include "qemu/disk_choice.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

int disk_choices_add(struct disk_choices *c, const char *value, struct err *e)
{
	const char *equals = strchr(value, '=');
	size_t n = equals ? (size_t)(equals - value) : strlen(value);

	if (n == 0 || (equals && !equals[1]))
		return err_usage(e, "--device: '%s' is not DEV or DEV=FILE", value);
	*array_add(c->list, c->n) = (struct disk_choice){
		.device = text_of("%.*s", (int)n, value),
		.file = equals ? text_copy(equals + 1) : NULL,
	};
	return 0;
}

const struct disk_choice *disk_choices_find(const struct disk_choices *c, const struct disk *d)
{
	for (size_t i = 0; i < c->n; i++)
		if (disk_has_name(d, c->list[i].device))
			return &c->list[i];
	return NULL;
}

void disk_choices_release(struct disk_choices *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->list[i].device);
		free(c->list[i].file);
	}
	free(c->list);
	*c = (struct disk_choices){ 0 };
}
