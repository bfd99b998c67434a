/* SPDX-License-Identifier: MIT */
/* verify.h: an image by itself, and with its backing file. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/text.h"
#include "verify/verify.h"

#define SECTOR 512 /* bytes: QEMU rounds the size of a raw image up to it */

/* What verify is told of an image in a chain; shorter to hand on. */
struct place {
	struct verify *v;
	const struct chain *chain;
	size_t i;
	struct trust *trust;
};

static const struct chain_image *image_at(const struct place *p)
{
	return &p->chain->images[p->i];
}

/* The path that a finding about image `i` is about: its own, or, where it has none, of the one that names it. */
static const char *path_at(const struct place *p)
{
	const struct chain_image *image = image_at(p);

	if (image->path)
		return image->path;
	return p->i ? p->chain->images[p->i - 1].path : image->name;
}

/* The same of what is wrong with the name, not with the file. */
static const char *namer_at(const struct place *p)
{
	return p->i ? p->chain->images[p->i - 1].path : path_at(p);
}

/* ", the backing file of 'a.ovl'", or "" for the top; malloc'd. */
static char *role_at(const struct place *p)
{
	return p->i ? text_of(", the backing file of '%s'", p->chain->images[p->i - 1].path) : text_copy("");
}

/* --- images that were not read ---------------------------------------------------------------------------------- */

/* Whether the protocol leads to another host; "nbd+unix" is "nbd". Others are ways to files and devices of this one. */
static bool is_network(const char *protocol)
{
	static const char *const known[] = { "nbd",  "http",  "https", "ftp", "ftps",   "ssh",
					     "sftp", "iscsi", "rbd",   "nfs", "gluster" };
	size_t length = strcspn(protocol, "+");

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strlen(known[i]) == length && strncmp(known[i], protocol, length) == 0)
			return true;
	return false;
}

/* Whether it names something, or is named, against the rule; that is found then. */
static bool find_untrusted(const struct place *p)
{
	const char *namer;
	_cleanup_free_ char *why = trust_fault(p->trust, p->chain, p->i, &namer);

	if (why)
		findings_add(&p->v->findings, E_UNTRUSTED_PATH, namer, "%s", why);
	return why != NULL;
}

static void find_remote(const struct place *p)
{
	const struct chain_image *image = image_at(p);
	struct verify *v = p->v;

	if (v->options.follow_remote && (v->options.trust_paths || is_network(image->protocol)))
		verify_remote(v, namer_at(p), image);
	else if (v->options.trust_paths)
		findings_add(&v->findings, N_REMOTE, namer_at(p), "its backing file '%s' was not looked at",
			     image->name);
	else
		find_untrusted(p);
}

static void find_unread(const struct place *p)
{
	const struct chain_image *image = image_at(p);
	struct findings *f = &p->v->findings;
	_cleanup_free_ char *role = role_at(p);

	switch (image->state) {
	case CHAIN_MISSING:
		findings_add(f, E_MISSING, path_at(p), "%s%s", strerror(image->sys), role);
		break;
	case CHAIN_UNREADABLE:
		findings_add(f, E_UNREADABLE, path_at(p), "%s%s", strerror(image->sys), role);
		break;
	case CHAIN_NOT_REGULAR:
		findings_add(f, E_NOT_REGULAR, path_at(p), "not a regular file%s", role);
		break;
	case CHAIN_REMOTE:
		find_remote(p);
		break;
	case CHAIN_BAD_NAME:
		findings_add(f, E_NAME, namer_at(p), "its backing file '%s' cannot be understood: %s", image->name,
			     image->why);
		break;
	case CHAIN_CYCLE:
		if (image->cycle_to + 1 == p->i)
			findings_add(f, E_CYCLE, namer_at(p), "its backing file '%s' is itself", image->name);
		else
			findings_add(f, E_CYCLE, namer_at(p), "its backing file '%s' is '%s', which leads back to it",
				     image->name, p->chain->images[image->cycle_to].path);
		break;
	case CHAIN_TOO_DEEP:
		findings_add(
			f, E_DEPTH, p->chain->images[0].path,
			"its chain has more than %zu images (--max-depth): '%s' and what is below it was not looked at",
			p->i, image->path);
		break;
	case CHAIN_REFUSED:
		find_untrusted(p);
		break;
	case CHAIN_OK:
		break;
	}
}

/* --- one image -------------------------------------------------------------------------------------------------- */

/* A guest that encrypts its whole disk writes a LUKS header into what is a raw image, and shall be. */
static bool is_guests_own(const struct chain_image *image)
{
	return image->format == IMAGE_RAW && image->found == IMAGE_LUKS;
}

/* Returns whether format and header go together, so that a bad header is news. */
static bool check_format(const struct place *p)
{
	const struct chain_image *image = image_at(p);
	const char *recorded = image->recorded_format;
	struct findings *f = &p->v->findings;

	if (!recorded || strcmp(recorded, image_format_name(image->found)) == 0 || is_guests_own(image))
		return true;
	if (image_format_named(recorded) < 0 && image->format != IMAGE_RAW)
		findings_add(f, E_FORMAT, image->path, "it is recorded as '%s', which is not a known format", recorded);
	else if (image->format != image->found)
		findings_add(f, E_FORMAT, image->path, "it is recorded as %s, its content is %s%s",
			     image_format_name(image->format), image_format_name(image->found),
			     image->format == IMAGE_RAW ? ": a guest sees the bytes of that header" : "");
	return false;
}

static void check_header(const struct place *p)
{
	const struct chain_image *image = image_at(p);
	const struct image_header *h = &image->header;
	uint64_t unknown = h->incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_KNOWN;
	struct findings *f = &p->v->findings;

	if (check_format(p) && h->fault[0])
		findings_add(f, h->truncated ? E_TRUNCATED : E_HEADER, image->path, "%s", h->fault);
	if (unknown)
		findings_add(f, E_FEATURE, image->path, "features %#llx%s%s are not known to QEMU: it does not open it",
			     (unsigned long long)unknown, h->feature_names ? ", " : "",
			     h->feature_names ? h->feature_names : "");
	if (h->incompatible & QCOW2_INCOMPATIBLE_CORRUPT)
		findings_add(f, E_CORRUPT, image->path,
			     "QEMU has found it corrupt, and marked it: it is not opened for writing any more");
	if (h->incompatible & QCOW2_INCOMPATIBLE_DIRTY && image->use != IMAGE_WRITTEN)
		findings_add(f, W_DIRTY, image->path,
			     "it was not closed: its reference counts are out of date (qemu-img check -r all)");
	if (image->format != IMAGE_RAW && image->format > IMAGE_QED && !h->fault[0])
		findings_add(f, N_OTHER_FORMAT, image->path, "only the name of the format %s is known here",
			     image_format_name(image->format));
}

/* The file of an image's data, where that is another. */
static void check_data_file(const struct place *p)
{
	const struct chain_image *image = image_at(p);
	struct findings *f = &p->v->findings;
	struct stat st;

	if (!image->data_name) {
		if (image->header.incompatible & QCOW2_INCOMPATIBLE_DATA_FILE && !image->header.fault[0])
			findings_add(f, E_MISSING, image->path, "its data is in another file, which it does not name");
		return;
	}
	if (find_untrusted(p))
		return;
	if (image->data_from_cwd)
		findings_add(f, W_WORKING_DIRECTORY, image->path,
			     "QEMU looks for its data file '%s' in the directory where it is started",
			     image->data_name);
	if (stat(image->data_path, &st) < 0)
		findings_add(f, E_MISSING, image->data_path, "no such file, the data file of '%s'", image->path);
	else if (!S_ISREG(st.st_mode))
		findings_add(f, E_NOT_REGULAR, image->data_path, "not a regular file, the data file of '%s'",
			     image->path);
	else if (access(image->data_path, R_OK) < 0)
		findings_add(f, E_UNREADABLE, image->data_path, "it cannot be read, the data file of '%s'",
			     image->path);
	else if (image->header.autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW &&
		 (uint64_t)st.st_size < image->header.virtual_size)
		findings_add(f, E_TRUNCATED, image->data_path,
			     "it is the raw data file of '%s', and smaller than that disk", image->path);
	else if (p->i && in_use_writers_path(&p->v->use, image->data_path) == IMAGE_WRITTEN)
		findings_add(f, E_BACKING_WRITTEN, image->data_path, "it is open for writing, the data file of '%s'",
			     image->path);
}

void verify_not_written(struct verify *v, const struct chain_image *image, const char *above)
{
	_cleanup_free_ char *role = NULL, *who = NULL;
	pid_t pid;

	if (image->use != IMAGE_WRITTEN || image->may_change)
		return;
	in_use_file(&v->use, image->device, image->inode, &pid);
	who = pid ? text_of("process %d", (int)pid) : text_copy("some process");
	role = above ? text_of("it is the backing file of '%s'", above) : text_copy("a checkpoint has frozen it");
	findings_add(&v->findings, E_BACKING_WRITTEN, image->path, "%s has it open for writing, and %s", who, role);
}

/* --- an image and its backing file ------------------------------------------------------------------------------ */

uint64_t verify_disk_size(const struct chain_image *image)
{
	uint64_t size = image->header.fault[0] ? 0 : image->header.virtual_size;

	return image->format == IMAGE_RAW ? (size + SECTOR - 1) / SECTOR * SECTOR : size;
}

static void check_sizes(struct findings *f, const struct chain_image *above, const struct chain_image *below)
{
	unsigned long long over = verify_disk_size(above), under = verify_disk_size(below);

	if (over && under && over < under)
		findings_add(f, N_SMALLER, above->path,
			     "its disk has %llu bytes, its backing file %llu: the end of that is not seen", over,
			     under);
	if (over && under && over > under)
		findings_add(f, W_LARGER, above->path,
			     "its disk has %llu bytes, its backing file %llu: zeros are read behind its end", over,
			     under);
}

static void check_pair(const struct place *p)
{
	const struct chain_image *above = &p->chain->images[p->i - 1], *below = image_at(p);
	struct findings *f = &p->v->findings;

	if (!below->recorded_format && below->state != CHAIN_BAD_NAME)
		findings_add(f, E_NO_FORMAT, above->path,
			     "the format of its backing file '%s' is not recorded: who can write to that chooses one "
			     "(qemu-img rebase -u -F FORMAT -b FILE)",
			     below->name);
	if (below->from_cwd)
		findings_add(f, W_WORKING_DIRECTORY, above->path,
			     "QEMU looks for its backing file '%s' in the directory where it is started", below->path);
	if (below->state != CHAIN_OK)
		return;
	check_sizes(f, above, below);
	verify_not_written(p->v, below, above->path);
}

static void check_times(const struct place *p)
{
	const struct chain_image *above = &p->chain->images[p->i - 1], *below = image_at(p);

	if (below->state == CHAIN_OK && below->mtime_ns > above->mtime_ns)
		findings_add(&p->v->findings, W_BACKING_NEWER, below->path,
			     "it was modified %.3f s after its overlay '%s'",
			     (double)(below->mtime_ns - above->mtime_ns) / 1e9, above->path);
}

/* --- chains ----------------------------------------------------------------------------------------------------- */

void verify_chain(struct verify *v, const struct chain *c, struct trust *trust, bool times)
{
	for (size_t i = 0; i < c->n; i++) {
		struct place p = { v, c, i, trust };

		if (i)
			check_pair(&p);
		if (i && times)
			check_times(&p);
		if (c->images[i].state != CHAIN_OK) {
			find_unread(&p);
			continue;
		}
		v->n_images++;
		check_header(&p);
		check_data_file(&p);
	}
}

void verify_image(struct verify *v, const char *path)
{
	struct trust trust;
	struct chain *c;

	trust_image(&trust, path, v->options.trust_paths);
	c = verify_read(v, path, NULL, v->options.max_depth, NULL, &trust);
	verify_chain(v, c, &trust, true);
	if (c->images[0].state == CHAIN_OK)
		verify_not_behind(v, &c->images[0], &trust);
	trust_release(&trust);
}
