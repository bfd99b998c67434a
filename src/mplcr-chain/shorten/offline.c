/* SPDX-License-Identifier: MIT */
/*
 * Layers merged while no VM uses them. Whenever this ends, by a signal that cannot be caught too, the chain is sound
 * and the guest's data in the top are the same:
 *
 * Upwards: the new top is made beside the old one, and takes its name when it is complete. Only then the layers that
 * were merged into it go.
 *
 * Downwards: what is written into the base is what the layers above it show anyway, so nothing can be seen of it until
 * the top's header, in one write, names the base. Only then the layers between the two go.
 */
#include "shorten/shorten.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "image/filesystem.h"
#include "qemu/qemu_img.h"
#include "change/guard.h"
#include "change/merge.h"

/* A VM that was started meanwhile, and minds no locks, would write to a file that is about to go. */
static int check_again(struct shorten *s, struct err *e)
{
	in_use_again(&s->use);
	s->use.processes = true; /* the locks are ours */
	return in_use_refuse(&s->use, s->top, false, e);
}

static int shorten_up(struct shorten *s, struct err *e)
{
	const struct chain *c = s->chain;
	_cleanup_free_ char *name = s->base < c->n ? merge_name(c, 0, s->base) : NULL;
	struct merge m = {
		.path = s->top,
		.partial = s->partial,
		.base = name,
		.base_format = name ? image_format_name(c->images[s->base].format) : NULL,
	};
	struct journal *j;
	int result = -1;

	if (c->images[0].format != IMAGE_QCOW2)
		return err_set(e, "'%s' is not a qcow2 image", s->image);
	if (filesystem_space(s->top, merge_bytes(c, 0, s->base), e) < 0)
		return -1;
	cli_progress_line("merging %zu images into '%s'", s->base - 1, s->image);
	j = shorten_journal(s, s->partial, e);
	if (j && merge_build(&m, s->interrupt, e) == 0) {
		result = check_again(s, e) < 0 ? -1 : journal_store(j, e);
		if (result < 0)
			journal_abandon(j);
	}
	journal_free(j);
	return result;
}

/* Whatever fails in between: a second run does the whole. */
static int part_way(const struct shorten *s, struct err *e)
{
	e->status = EXIT_PARTIAL;
	return err_hint(e, "the chain is sound; the same command goes on: mplcr-chain shorten %s--into '%s' '%s'",
			s->trust_paths ? "--trust-paths " : "", s->into, s->image);
}

static int shorten_down(struct shorten *s, struct err *e)
{
	const struct chain_image *base = &s->chain->images[s->base], *first = &s->chain->images[1];
	_cleanup_free_ char *name = merge_name(s->chain, 0, s->base);
	const char *const commit[] = { "qemu-img",  "commit",   "-q",
				       "-d",        "-f",       image_format_name(first->format),
				       "-b",        base->path, "--",
				       first->path, NULL };
	const struct qemu_img_header header = {
		.path = s->top, .format = "qcow2", .deadline = CLOCK_NEVER, .interrupt = -1
	};

	if (filesystem_space(base->path, merge_bytes(s->chain, 1, s->base), e) < 0)
		return -1;
	cli_progress_line("merging %zu images into '%s'", s->base - 1, s->into);
	if (qemu_img_run(commit, CLOCK_NEVER, s->interrupt, e) < 0 || path_sync(base->path, e) < 0)
		return part_way(s, e);
	if (shorten_store_journal(s, e) < 0 ||
	    qemu_img_set_backing(&header, name, image_format_name(base->format), e) < 0 || path_sync(s->top, e) < 0)
		return part_way(s, e);
	return 0;
}

int shorten_offline(struct shorten *s, struct err *e)
{
	int result = (s->down ? shorten_down : shorten_up)(s, e);

	cli_progress_end();
	return result;
}
