/* SPDX-License-Identifier: MIT */
#include "verify/deep.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layer.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "qemu/guest_data.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "seal/seal.h"
#include "base/workers.h"

/* Of qemu-img and qemu-nbd: enough for the reference counts of an image of 30 TiB. */
#define MEMORY (2ULL << 30)

/* One image to look at; or, where a sum is expected, the guest's data of the chain from it down. */
struct job {
	const struct chain *chain;
	size_t image;
	char expected[DIGEST_HEX]; /* "": qemu-img check */
	char *sealed;              /* when that was recorded */

	/* the outcome */
	enum { JOB_SOUND, JOB_IN_USE, JOB_NOT_CHECKABLE, JOB_FAILED, JOB_COUNTED, JOB_DIFFERS } outcome;
	int64_t leaks, corruptions, errors; /* JOB_COUNTED */
	struct err why;                     /* JOB_NOT_CHECKABLE, JOB_FAILED */
};

struct deep {
	struct verify *v;
	struct job *jobs;
	size_t n;
	int interrupt;
	pthread_mutex_t lock; /* of `next` */
	size_t next;
};

/* --- what is to be done ------------------------------------------------------------------------------------------ */

/* Whether QEMU may open it: what the fast look found bad, or did not want to follow, is not given to it. */
static bool may_be_opened(const struct verify *v, const struct chain_image *image)
{
	if (image->state != CHAIN_OK || image->header.fault[0])
		return false;
	return !image->data_name || !findings_has(&v->findings, E_UNTRUSTED_PATH, image->path);
}

static bool is_known(const struct deep *d, const struct chain_image *image)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct chain_image *other = &d->jobs[i].chain->images[d->jobs[i].image];

		if (!d->jobs[i].expected[0] && other->device == image->device && other->inode == image->inode)
			return true;
	}
	return false;
}

static struct job *add_job(struct deep *d, const struct chain *c, size_t image)
{
	struct job *job = array_add(d->jobs, d->n);

	*job = (struct job){ .chain = c, .image = image };
	return job;
}

/* Whether the chain can be read from that image down to its base. */
static bool is_whole(const struct verify *v, const struct chain *c, size_t from)
{
	for (size_t i = from; i < c->n; i++)
		if (!may_be_opened(v, &c->images[i]))
			return false;
	return !c->images[c->n - 1].header.backing_name;
}

/* The sum that the first seal of the chain holds, if it does. */
static void add_digest(struct deep *d, const struct chain *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct seal s = { .n = 0 };
		struct err ignored;
		int found = c->images[i].state == CHAIN_OK ? seal_load(&s, c->images[i].path, &ignored) : 0;

		if (found > 0 && s.guest_xxh3[0] && is_whole(d->v, c, i)) {
			struct job *job = add_job(d, c, i);

			strcpy(job->expected, s.guest_xxh3);
			job->sealed = steal_ptr(s.sealed);
		}
		seal_release(&s);
		if (found != 0)
			return;
	}
}

static void add_jobs(struct deep *d)
{
	for (size_t k = 0; k < d->v->n_chains; k++) {
		const struct chain *c = d->v->chains[k].chain;

		for (size_t i = 0; i < c->n; i++)
			if (may_be_opened(d->v, &c->images[i]) && c->images[i].format != IMAGE_RAW &&
			    !is_known(d, &c->images[i]))
				add_job(d, c, i);
		add_digest(d, c);
	}
}

/* --- doing it ---------------------------------------------------------------------------------------------------- */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Reads qemu-img's answer. Returns 0, or -1 where it is none. */
static int read_counts(struct job *job, const char *answer)
{
	_cleanup_json_ json_t *json = answer ? json_loads(answer, 0, NULL) : NULL;

	job->leaks = json_int(json, "leaks", 0);
	job->corruptions = json_int(json, "corruptions", 0);
	job->errors = json_int(json, "check-errors", -1);
	if (job->errors < 0)
		return -1;
	job->outcome = job->leaks || job->corruptions || job->errors ? JOB_COUNTED : JOB_SOUND;
	return 0;
}

static void run_check(const struct deep *d, struct job *job, int fd)
{
	const struct chain_image *image = &job->chain->images[job->image];
	const struct process_setup setup = {
		.input = -1, .errors_apart = true, .memory = MEMORY, .cpu_seconds = d->v->options.timeout_ms / 1000 + 1
	};
	_cleanup_free_ char *answer = NULL;
	struct process p;

	job->outcome = JOB_FAILED;
	if (layer_qemu_img(&p, "check", image, fd, setup, &job->why) < 0)
		return;
	if (process_finish(&p, "qemu-img check", clock_in_ms((int64_t)d->v->options.timeout_ms), d->interrupt, &answer,
			   &job->why) < 0 &&
	    !answer)
		return;
	if (read_counts(job, answer) < 0 && !job->why.text[0])
		err_set(&job->why, "qemu-img check gave no answer that can be read");
}

/* Looks at one image; whoever begins to write to it meanwhile makes the outcome worthless. */
static void check_image(const struct deep *d, struct job *job)
{
	const struct chain_image *image = &job->chain->images[job->image];
	_cleanup_close_ int fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat before, after;

	if (image->format == IMAGE_QCOW || image->format == IMAGE_VPC || image->format == IMAGE_LUKS) {
		job->outcome = JOB_NOT_CHECKABLE;
		err_set(&job->why, "QEMU has no check for the format %s", image_format_name(image->format));
	} else if (image->header.encryption != IMAGE_NOT_ENCRYPTED) {
		job->outcome = JOB_NOT_CHECKABLE;
		err_set(&job->why, "it is encrypted, and cannot be opened without the key");
	} else if (fd < 0 || fstat(fd, &before) < 0) {
		job->outcome = JOB_FAILED;
		err_sys(&job->why, errno, "cannot open it");
	} else if (in_use_writers(&d->v->use, fd) == IMAGE_WRITTEN) {
		job->outcome = JOB_IN_USE;
	} else {
		run_check(d, job, fd);
		if (in_use_writers(&d->v->use, fd) == IMAGE_WRITTEN || fstat(fd, &after) < 0 ||
		    !same_time(&before.st_mtim, &after.st_mtim))
			job->outcome = JOB_IN_USE;
	}
}

static bool is_written(const struct deep *d, const struct job *job)
{
	for (size_t i = job->image; i < job->chain->n; i++)
		if (in_use_writers_path(&d->v->use, job->chain->images[i].path) == IMAGE_WRITTEN)
			return true;
	return false;
}

static void compare_data(const struct deep *d, struct job *job)
{
	const struct chain_image *image = &job->chain->images[job->image];
	const struct guest_data_limits limits = { .deadline = clock_in_ms((int64_t)d->v->options.timeout_ms),
						  .memory = MEMORY,
						  .interrupt = d->interrupt };
	char now[DIGEST_HEX];

	if (is_written(d, job))
		job->outcome = JOB_IN_USE;
	else if (guest_data_digest(image->path, image_format_name(image->format), &limits, now, &job->why) < 0)
		job->outcome = JOB_FAILED;
	else if (strcmp(now, job->expected) != 0)
		job->outcome = is_written(d, job) ? JOB_IN_USE : JOB_DIFFERS;
}

/* The next job, or NULL where all are taken. */
static struct job *take_job(struct deep *d)
{
	struct job *job = NULL;

	pthread_mutex_lock(&d->lock);
	if (d->next < d->n) {
		job = &d->jobs[d->next++];
		cli_progress_line("deep: %zu of %zu", d->next, d->n);
	}
	pthread_mutex_unlock(&d->lock);
	return job;
}

static void work(void *ctx)
{
	struct deep *d = ctx;

	for (struct job *job; (job = take_job(d)) != NULL;) {
		if (job->expected[0])
			compare_data(d, job);
		else
			check_image(d, job);
		if (job->why.sys == EINTR) /* interrupted: so are all */
			break;
	}
}

/* --- what came out ----------------------------------------------------------------------------------------------- */

static void report(struct findings *f, const struct job *job)
{
	const char *path = job->chain->images[job->image].path;

	switch (job->outcome) {
	case JOB_SOUND:
		break;
	case JOB_IN_USE:
		findings_add(f, N_IN_USE, path, "it is being written to: it was not checked");
		break;
	case JOB_NOT_CHECKABLE:
		findings_add(f, N_NOT_CHECKED, path, "it was not checked: %s", job->why.text);
		break;
	case JOB_FAILED:
		findings_add(f, E_NOT_CHECKED, path, "it could not be checked: %s", job->why.text);
		break;
	case JOB_COUNTED:
		if (job->corruptions)
			findings_add(f, E_CORRUPTIONS, path, "qemu-img check finds %lld corruption%s in it",
				     (long long)job->corruptions, job->corruptions == 1 ? "" : "s");
		if (job->errors)
			findings_add(f, E_NOT_CHECKED, path, "qemu-img check met %lld error%s in it",
				     (long long)job->errors, job->errors == 1 ? "" : "s");
		if (job->leaks)
			findings_add(f, W_LEAKS, path, "it holds %lld cluster%s that nothing uses", (long long)job->leaks,
				     job->leaks == 1 ? "" : "s");
		break;
	case JOB_DIFFERS:
		findings_add(f, E_GUEST_DATA, path, "a guest reads other data from it than when it was sealed at %s",
			     job->sealed);
		break;
	}
}

int deep_verify(struct verify *v, struct err *e)
{
	struct deep d = { .v = v, .interrupt = interrupt_open(e), .lock = PTHREAD_MUTEX_INITIALIZER };
	int result = d.interrupt < 0 ? -1 : 0;

	if (result == 0) {
		add_jobs(&d);
		in_use_look(&v->use); /* not by several workers at once */
		workers_run(work, &d, d.n);
		cli_progress_end();
	}
	for (size_t i = 0; i < d.n; i++) {
		if (d.jobs[i].why.sys == EINTR)
			result = interrupt_error(e);
		report(&v->findings, &d.jobs[i]);
		free(d.jobs[i].sealed);
	}
	free(d.jobs);
	return result;
}
