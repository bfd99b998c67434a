/* SPDX-License-Identifier: MIT */
/* mplcr-chain seal: writes down what the images of a chain are now, so that verify can tell that they are unchanged. */
#include "seal/seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/trust.h"
#include "qemu/guest_data.h"
#include "base/interrupt.h"
#include "base/path_list.h"
#include "image/in_use.h"
#include "tool.h"

struct options {
	bool digest, read_only, force, trust_paths, nul_separated;
	int interrupt;
};

static const struct cli_option option_table[] = {
	{ "digest", 0, NULL, "also record a checksum of the guest data, which reads all of it",
	  TO_FLAG(struct options, digest) },
	{ "read-only", 'r', NULL, "make the images read-only for everybody", TO_FLAG(struct options, read_only) },
	{ "force", 'f', NULL, "replace an existing seal", TO_FLAG(struct options, force) },
	TRUST_PATHS_OPTION(struct options, trust_paths),
	{ "null", '0', NULL, "- reads paths separated by NUL instead of line feeds",
	  TO_FLAG(struct options, nul_separated) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* A chain that is to be sealed. */
struct job {
	const char *image;
	struct chain *chain;
	struct seal seal;
};

/* What is being written to cannot be sealed. Returns 0 or -1. */
static int refuse_written(const struct chain *c, struct err *e)
{
	struct in_use use = { 0 };
	int result = 0;

	for (size_t i = 0; i < c->n && result == 0; i++)
		result = chain_image_refuse_used(&c->images[i], &use, true, e);
	in_use_release(&use);
	if (result == 0)
		return 0;
	return err_hint(e, "seal it after the VM has ended, or after a checkpoint, which freezes it");
}

/* Returns 0 or -1. */
static int describe(const struct chain_image *image, struct seal_image *sealed, struct err *e)
{
	sealed->path = text_copy(image->path);
	sealed->format = text_copy(image_format_name(image->format));
	sealed->has_data = image->data_path != NULL;
	if (sealed->has_data && identity_read(image->data_path, &sealed->data, e) < 0)
		return -1;
	return identity_read(image->path, &sealed->id, e);
}

/* Finds out everything that is written down; nothing is changed yet. Returns 0 or -1. */
static int prepare(struct job *job, const struct options *o, struct err *e)
{
	_cleanup_free_ char *sidecar = seal_path(job->image);
	char now[32];

	job->chain = trust_chain_of(job->image, NULL, o->trust_paths, e);
	if (!job->chain)
		return -1;
	if (chain_whole(job->chain, e) < 0)
		return err_hint(e, "mplcr-chain verify lists all faults of the chain");
	if (refuse_written(job->chain, e) < 0)
		return -1;
	if (!o->force && access(sidecar, F_OK) == 0) {
		err_set(e, "'%s' is already sealed", job->image);
		return err_hint(e, "--force seals it anew, as it is now");
	}
	job->seal.sealed = text_copy(clock_utc(now));
	job->seal.images = memory_of(job->chain->n, sizeof(*job->seal.images));
	for (size_t i = 0; i < job->chain->n; i++)
		if (describe(&job->chain->images[i], &job->seal.images[job->seal.n++], e) < 0)
			return -1;
	return 0;
}

/* Returns 0, or -1 where it is not what it was. */
static int is_unchanged(const char *path, const struct identity *then, struct err *e)
{
	struct identity now;

	if (identity_read(path, &now, e) < 0)
		return -1;
	return identity_difference(then, &now) ? err_set(e, "'%s' was changed while it was read", path) : 0;
}

/* Reads the guest's data, and makes sure that nobody changed them meanwhile. Returns 0 or -1. */
static int add_digest(struct job *job, const struct options *o, struct err *e)
{
	const struct guest_data_limits limits = { .deadline = CLOCK_NEVER, .interrupt = o->interrupt };

	cli_progress_line("reading the guest's data of %s", path_base(job->image));
	if (guest_data_digest(job->image, job->seal.images[0].format, &limits, job->seal.guest_xxh3, e) < 0)
		return -1;
	for (size_t i = 0; i < job->seal.n; i++) {
		const struct seal_image *sealed = &job->seal.images[i];

		if (is_unchanged(sealed->path, &sealed->id, e) < 0 ||
		    (sealed->has_data && is_unchanged(job->chain->images[i].data_path, &sealed->data, e) < 0))
			return -1;
	}
	return refuse_written(job->chain, e);
}

static int make_read_only(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0 || (st.st_mode & 0222 && chmod(path, st.st_mode & 07555) < 0))
		return err_sys(e, errno, "cannot make '%s' read-only", path);
	return 0;
}

static int take_write_bits(const struct chain *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++)
		if (make_read_only(c->images[i].path, e) < 0 ||
		    (c->images[i].data_path && make_read_only(c->images[i].data_path, e) < 0))
			return -1;
	return 0;
}

/* Writes the seals. What was done before a failure stays, and is said. Returns 0 or -1. */
static int store(const struct job *jobs, size_t n, const struct options *o, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		bool stored = seal_store(&jobs[i].seal, jobs[i].image, o->force, e) == 0;

		if (stored && (!o->read_only || take_write_bits(jobs[i].chain, e) == 0))
			continue;
		if (i > 0 || stored) {
			e->status = EXIT_PARTIAL;
			err_hint(e, "%zu of %zu seals are written; the same command with --force does the whole",
				 i + stored, n);
		}
		return -1;
	}
	return 0;
}

static int seal_all(struct job *jobs, size_t n, const struct options *o, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (prepare(&jobs[i], o, e) < 0)
			return -1;
	for (size_t i = 0; i < n && o->digest; i++)
		if (add_digest(&jobs[i], o, e) < 0)
			return -1;
	return store(jobs, n, o, e);
}

static int seal(const struct path_list *list, const struct options *o, struct err *e)
{
	struct job *jobs = memory_of(list->n, sizeof(*jobs));
	int result;

	for (size_t i = 0; i < list->n; i++)
		jobs[i].image = list->paths[i];
	result = seal_all(jobs, list->n, o, e);
	cli_progress_end();
	for (size_t i = 0; i < list->n; i++) {
		if (result == 0)
			cli_note("'%s' is sealed, %zu image%s", jobs[i].image, jobs[i].seal.n,
				 jobs[i].seal.n == 1 ? "" : "s");
		seal_release(&jobs[i].seal);
		chain_free(jobs[i].chain);
	}
	free(jobs);
	return result;
}

static int seal_main(int argc, char **argv)
{
	struct options o = { .interrupt = -1 };
	struct path_list list = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_seal, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first == argc)
		result = err_usage(&e, "which images?");
	if (result >= 0)
		result = path_list_read(&list, argv + first, (size_t)(argc - first), o.nul_separated, &e);
	if (result >= 0)
		result = o.interrupt = interrupt_open(&e);
	if (result >= 0)
		result = seal(&list, &o, &e);
	path_list_release(&list);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_seal = {
	.tool = "mplcr-chain",
	.verb = "seal",
	.summary = "record the state of images for verify",
	.usage = "[OPTION]... IMAGE...",
	.about = "Records what each image of the chains is now, in a file IMAGE.seal beside it: verify tells "
		 "from then on\n"
		 "whether one of them was changed.",
	.options = option_table,
	.operands = CLI_FILES,
	.run = seal_main,
};
