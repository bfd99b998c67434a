/* SPDX-License-Identifier: MIT */
/* verify.h: images that are no files of this host. Only QEMU knows its protocols: it is asked, where the user wants. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/process.h"
#include "verify/verify.h"

#define WAIT_MS 10000 /* for one image */

void verify_remote(struct verify *v, const char *namer, const struct chain_image *image)
{
	char *argv[] = { "qemu-img", "info", "--force-share", "--", image->name, NULL };
	_cleanup_free_ char *output = NULL;
	struct process p;
	struct err e;

	if (process_start(&p, argv, -1, &e) < 0 ||
	    process_finish(&p, "qemu-img", clock_in_ms(WAIT_MS), -1, &output, &e) < 0)
		findings_add(&v->findings, E_REMOTE, namer, "its backing file '%s': %s", image->name, e.text);
	else
		findings_add(&v->findings, N_REMOTE, namer,
			     "its backing file '%s' can be opened, and was not looked at", image->name);
}
