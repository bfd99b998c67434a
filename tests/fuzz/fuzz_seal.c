/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: seals. Any bytes may lie beside an image as its seal, and what is made of them must hold:
 *
 *  - it is refused with words, or has images, each with path, format and identity;
 *  - written and read again, it is the same.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "mplcr-chain/seal/seal.h"

static char dir[64], image[80], again[80], sidecar[96];

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void clean_up(void)
{
	struct err e;

	check(dir_remove_tree(dir, &e) == 0);
}

/* In memory, where there is such a place. */
static void make_place(void)
{
	struct err e;

	snprintf(dir, sizeof(dir), "%s/mplcr-fuzz.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	check(mkdtemp(dir) && atexit(clean_up) == 0);
	snprintf(image, sizeof(image), "%s/image", dir);
	snprintf(again, sizeof(again), "%s/again", dir);
	snprintf(sidecar, sizeof(sidecar), "%s.seal", image);
	check(file_create(AT_FDCWD, image, "data", 4, &e) == 0 && file_create(AT_FDCWD, again, "data", 4, &e) == 0);
}

static void write_sidecar(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = open(sidecar, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	check(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
}

static void check_same(const struct seal *a, const struct seal *b)
{
	check(a->n == b->n && strcmp(a->sealed, b->sealed) == 0 && strcmp(a->guest_xxh3, b->guest_xxh3) == 0);
	for (size_t i = 0; i < a->n; i++) {
		const struct seal_image *x = &a->images[i], *y = &b->images[i];

		check(strcmp(x->path, y->path) == 0 && strcmp(x->format, y->format) == 0);
		check(x->has_data == y->has_data && strcmp(x->id.header, y->id.header) == 0);
		check(!identity_difference(&x->id, &y->id) && (!x->has_data || !identity_difference(&x->data, &y->data)));
	}
}

/* One that was taken. With line breaks it can be longer than a seal may be. */
static void write_again(const struct seal *s)
{
	struct seal copy;
	struct err e = { 0 };

	if (seal_store(s, again, true, &e) < 0) {
		check(strstr(e.text, "too long"));
		return;
	}
	check(seal_load(&copy, again, &e) == 1);
	check_same(s, &copy);
	seal_release(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	struct seal s;

	if (dir[0] == '\0')
		make_place();
	write_sidecar(data, size);
	if (seal_load(&s, image, &e) == 1) {
		check(s.sealed && s.n > 0);
		write_again(&s);
	} else {
		check(e.text[0]);
	}
	seal_release(&s);
	return 0;
}
