/* SPDX-License-Identifier: MIT */
/* disk_choice.h: --device DEV[=FILE]. */
#include "qemu/disk_choice.h"

#include <string.h>

#include "tap.h"

static void refused(struct disk_choices *c, const char *value)
{
	struct err e = { 0 };

	ok(disk_choices_add(c, value, &e) == -1 && e.status == EXIT_USAGE, "'%s' is refused: %s", value, e.text);
}

int main(void)
{
	struct disk_choices c = { 0 };
	const struct disk_choice *found;
	struct disk one = { .device = "virtio0", .node = "n0" }, other = { .device = "ide0-hd0", .node = "n1" },
		    third = { .device = "sd0", .node = "n2" };
	struct err e = { 0 };

	refused(&c, "");
	refused(&c, "=file");
	refused(&c, "virtio0=");
	ok(disk_choices_add(&c, "virtio0", &e) == 0 && disk_choices_add(&c, "n1=a=b.ovl", &e) == 0, "two are taken");
	found = disk_choices_find(&c, &one);
	ok(found && !found->file, "one by its device, without a file");
	found = disk_choices_find(&c, &other);
	ok(found && strcmp(found->file, "a=b.ovl") == 0, "one by its node, with one");
	ok(!disk_choices_find(&c, &third), "another is not among them");
	disk_choices_release(&c);
	ok(c.n == 0 && !c.list, "released");
	return done();
}
