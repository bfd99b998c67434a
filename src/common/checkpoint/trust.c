/* SPDX-License-Identifier: MIT */
#include "checkpoint/trust.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/claim.h"
#include "checkpoint/manifest.h"

/* Whether `dir` (without links) is the directory "disks" of a checkpoint. */
static bool is_in_checkpoint(const char *dir)
{
	_cleanup_free_ char *above = path_dir(dir), *manifest = text_of("%s/%s", above, MANIFEST_NAME);

	return strcmp(path_base(dir), "disks") == 0 && access(manifest, F_OK) == 0;
}

/* The tree of the image at `path`; malloc'd, or NULL where its directory does not exist. */
static char *tree_of(const char *path)
{
	_cleanup_free_ char *dir = path_dir(path);
	char *tree = path_real(dir);

	for (int up = 0; up < 2 && tree && (up || is_in_checkpoint(tree)); up++) {
		char *above = path_dir(tree);

		free(tree);
		tree = above;
	}
	return tree;
}

void trust_image(struct trust *t, const char *path, bool all)
{
	*t = (struct trust){ .all = all, .tree = tree_of(path), .top = path_real(path), .namer = text_copy(path) };
}

void trust_checkpoint(struct trust *t, const char *dir, bool all)
{
	_cleanup_free_ char *real = path_real(dir);

	*t = (struct trust){ .all = all };
	if (!real)
		return;
	t->tree = path_dir(real);
	t->top = text_of("%s/" MANIFEST_NAME, real);
}

static bool is_below(const char *tree, const char *path)
{
	return strcmp(tree, "/") == 0 || path_below(tree, path);
}

void trust_also_below(struct trust *t, const char *dir)
{
	char *real = path_real(dir);

	if (real && (!t->tree || is_below(real, t->tree))) {
		free(t->tree);
		t->tree = steal_ptr(real);
	}
	free(real);
}

/* The directory of `path` without links; that of the last one is remembered, for it is nearly always the same. */
static const char *real_dir(struct trust *t, const char *path)
{
	_cleanup_free_ char *dir = path_dir(path);

	if (t->last_dir && strcmp(t->last_dir, dir) == 0)
		return t->last_real;
	free(t->last_dir);
	free(t->last_real);
	t->last_dir = steal_ptr(dir);
	t->last_real = path_real(t->last_dir);
	return t->last_real;
}

/* A path below the tree whose directory does not exist: nothing can be opened there, and "not there" is the answer. */
static bool is_below_in_words(const struct trust *t, const char *path)
{
	return is_below(t->tree, path) && !strstr(path, "/../");
}

/* Whether the image that names this one, or the first of its chain, was made on it. */
static bool is_vouched_for(const struct trust *t, const char *real)
{
	_cleanup_free_ char *namer = t->namer ? path_real(t->namer) : NULL;

	return (t->top && claim_vouches(real, t->top)) || (namer && claim_vouches(real, namer));
}

/* Whether what names this one, or an earlier one of the chain, was made on it, or on one of its tree. */
static bool is_claimed(struct trust *t, const char *path)
{
	_cleanup_free_ char *real = path_real(path), *tree = NULL;

	if (!real)
		return false;
	for (size_t i = 0; i < t->n_claimed; i++)
		if (is_below(t->claimed[i], real))
			return true;
	if (!is_vouched_for(t, real))
		return false;
	tree = tree_of(real);
	if (tree)
		text_list_add(&t->claimed, &t->n_claimed, steal_ptr(tree));
	return true;
}

static bool is_in_tree(struct trust *t, const char *path, bool is_link)
{
	_cleanup_free_ char *there = NULL, *real = NULL;
	const char *dir;

	if (!t->tree)
		return false;
	dir = real_dir(t, path);
	if (!dir)
		return is_below_in_words(t, path);
	if (strcmp(path_base(path), "..") == 0) /* a directory, and which one only the filesystem knows */
		return false;
	if (!is_link)
		return strcmp(dir, t->tree) == 0 || is_below(t->tree, dir);
	there = path_join(dir, path_base(path));
	real = path_real(there);
	return is_below(t->tree, real ? real : there);
}

bool trust_allows_file(struct trust *t, const char *path, bool is_link)
{
	if (t->all)
		return true;
	if (!is_in_tree(t, path, is_link) && !is_claimed(t, path))
		return false;
	free(t->namer);
	t->namer = text_copy(path);
	return true;
}

bool trust_allows(struct trust *t, const char *path)
{
	struct stat st;

	return trust_allows_file(t, path, lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
}

/* --- chains ------------------------------------------------------------------------------------------------------ */

static const char *tree_words(const struct trust *t)
{
	return t->tree ? t->tree : "its directory";
}

/* What is wrong with how image `i` is named by the one above it. */
static char *name_fault(const struct trust *t, const struct chain_image *image)
{
	if (image->state == CHAIN_REFUSED)
		return text_of("its backing file '%s' does not lie below '%s': it was not opened", image->name,
			       tree_words(t));
	if (image->state == CHAIN_REMOTE && !t->all)
		return text_of("its backing file '%s' is not a file of this tree, but of protocol '%s': it was not opened",
			       image->name, image->protocol);
	return NULL;
}

char *trust_fault(struct trust *t, const struct chain *c, size_t i, const char **namer)
{
	const struct chain_image *image = &c->images[i];
	char *why = i > 0 ? name_fault(t, image) : NULL;

	*namer = why ? c->images[i - 1].path : image->path;
	if (why || image->state != CHAIN_OK || !image->data_name ||
	    (image->data_path && trust_allows(t, image->data_path)))
		return why;
	return text_of("its data file '%s' does not lie below '%s': it was not looked at", image->data_name,
		       tree_words(t));
}

int trust_refuse(const char *path, const char *why, struct err *e)
{
	err_set(e, "E-UNTRUSTED-PATH '%s': %s", path, why);
	return err_hint(e, "whoever made the file chose that name; if it is right: --trust-paths");
}

/* The pieces of a vmdk image may be other files, which only QEMU reads out of it. */
static bool may_lead_on(const struct chain *c, size_t i)
{
	return i > 0 && c->images[i].state == CHAIN_OK && c->images[i].found == IMAGE_VMDK;
}

static int check_chain(struct trust *t, const struct chain *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		const char *namer;
		_cleanup_free_ char *why = trust_fault(t, c, i, &namer);

		if (why)
			trust_refuse(namer, why, e);
		if (why && c->images[i].state == CHAIN_REMOTE)
			e->hint[0] = '\0'; /* these verbs cannot use it in any case */
		if (why)
			return -1;
		if (!t->all && may_lead_on(c, i))
			return trust_refuse(c->images[i].path,
					    "vmdk images can name other files, and which ones is not known here", e);
	}
	return 0;
}

static bool may_open(void *trust, const char *path, bool is_link)
{
	return trust_allows_file(trust, path, is_link);
}

struct chain *trust_chain(struct trust *t, const char *path, const char *format, struct err *e)
{
	const struct chain_options options = { .format = format, .may_open = may_open, .ctx = t };
	struct chain *c = chain_read_with(path, &options);

	if (check_chain(t, c, e) == 0)
		return c;
	chain_free(c);
	return NULL;
}

struct chain *trust_chain_of(const char *path, const char *format, bool all, struct err *e)
{
	struct chain *c;
	struct trust t;

	trust_image(&t, path, all);
	c = trust_chain(&t, path, format, e);
	trust_release(&t);
	return c;
}

void trust_release(struct trust *t)
{
	free(t->tree);
	free(t->top);
	free(t->namer);
	text_list_free(t->claimed);
	free(t->last_dir);
	free(t->last_real);
	*t = (struct trust){ 0 };
}
