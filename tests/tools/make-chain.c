/* SPDX-License-Identifier: MIT */
/*
 * make-chain DIR CHAINS LENGTH
 *
 * Writes CHAINS chains of LENGTH empty qcow2 images each into DIR, faster than qemu-img starts: vm0_0.qcow2 is the base
 * of the first, vm0_1.qcow2 its overlay, and so on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "image_builder.h"

int main(int argc, char **argv)
{
	int chains = argc == 4 ? atoi(argv[2]) : 0, length = argc == 4 ? atoi(argv[3]) : 0;

	if (chains <= 0 || length <= 0) {
		fputs("usage: make-chain DIR CHAINS LENGTH\n", stderr);
		return 2;
	}
	for (int c = 0; c < chains; c++)
		for (int n = 0; n < length; n++) {
			char path[4096], below[64];

			snprintf(path, sizeof(path), "%s/vm%d_%d.qcow2", argv[1], c, n);
			snprintf(below, sizeof(below), "vm%d_%d.qcow2", c, n - 1);
			image_build(path, n ? below : NULL, "qcow2");
		}
	return 0;
}
