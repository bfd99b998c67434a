/* SPDX-License-Identifier: MIT */
#include "layer.h"

#include "base/cleanup.h"
#include "base/text.h"

int layer_qemu_img(struct process *p, const char *verb, const struct chain_image *image, int fd,
		struct process_setup setup, struct err *e)
{
	/* QEMU opens the descriptor's file anew, for reading. */
	_cleanup_free_ char *name =
		text_of("json:{\"driver\":\"%s\"%s,\"file\":{\"driver\":\"file\",\"filename\":"
			"\"/proc/self/fd/0\",\"locking\":\"off\"}}",
			image_format_name(image->format), image->header.backing_name ? ",\"backing\":null" : "");
	char *argv[] = { "qemu-img", (char *)verb, "--output=json", name, NULL };

	setup.input = fd;
	return process_start_as(p, argv, &setup, e);
}
