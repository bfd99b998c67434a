/* SPDX-License-Identifier: MIT */
#include "split/split.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "state/pump.h"
#include "state/stream.h"

struct choosing {
	struct path_list *ram;
	bool done;
};

static bool is_declared(const struct stream_block *blocks, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(blocks[i].name, name) == 0)
			return true;
	return false;
}

/*
 * The memory of a PC is pc.ram, or the memory backends of its NUMA nodes, which libvirt calls ram-nodeN. Of another machine
 * it is the largest block.
 */
static void choose(struct path_list *ram, const struct stream_block *blocks, size_t n)
{
	size_t largest = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(blocks[i].name, "pc.ram") == 0 || strncmp(blocks[i].name, "ram-node", 8) == 0)
			path_list_add(ram, blocks[i].name);
		if (blocks[i].length > blocks[largest].length)
			largest = i;
	}
	if (ram->n == 0 && n > 0)
		path_list_add(ram, blocks[largest].name);
}

static int on_blocks(void *ctx, struct stream_block *blocks, size_t n, struct err *e)
{
	struct choosing *c = ctx;

	for (size_t i = 0; i < c->ram->n; i++)
		if (!is_declared(blocks, n, c->ram->paths[i]))
			return err_set(e, "the stream declares no RAM block '%s'", c->ram->paths[i]);
	if (c->ram->n == 0)
		choose(c->ram, blocks, n);
	c->done = true;
	return err_set(e, "that is all that we want to know");
}

static int read_beginning(struct input *in, struct path_list *ram, struct err *e)
{
	static const struct stream_events events = { .blocks = on_blocks };
	static const struct stream_options options = { .undescribed = true };
	struct choosing c = { .ram = ram };
	struct stream_pump pump = { .fd = in->fd };

	pump.stream = stream_new(&events, &c, &options);
	(void)!stream_pump(&pump, e);
	stream_free(pump.stream);
	return c.done ? 0 : -1;
}

int blocks_choose(const char *path, struct path_list *ram, struct err *e)
{
	struct input in;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), result;

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	result = input_open(&in, fd, path, e);
	if (result == 0 && read_beginning(&in, ram, e) < 0)
		result = err_prefix(e, "'%s'", path);
	input_close(&in);
	return result;
}
