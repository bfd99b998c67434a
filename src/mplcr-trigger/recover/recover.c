/* SPDX-License-Identifier: MIT */
#include "recover/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/own.h"
#include "base/path.h"
#include "base/path_list.h"
#include "base/text.h"
#include "checkpoint/names.h"
#include "patched/patched.h"

#define GREETING_MS 5000

struct recover_options {
	const char *socket;
	bool yes, json;
};

static const struct cli_option option_table[] = {
	{ "socket", 's', "PATH", "the VM's QMP socket, if it is not the one that the checkpoint had",
	  TO_SOCKET(struct recover_options, socket) },
	{ "yes", 'y', NULL, "take each of the steps that are printed", TO_FLAG(struct recover_options, yes) },
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct recover_options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* --- which directories ------------------------------------------------------------------------------------------ */

static void add_once(struct path_list *l, const char *dir)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->paths[i], dir) == 0)
			return;
	path_list_add(l, dir);
}

/* The directories of all images of the VM. Returns 0 or -1. */
static int directories_of_vm(const char *socket, struct path_list *dirs, struct err *e)
{
	struct qmp *q = qmp_connect(socket, GREETING_MS, -1, e);
	struct vm_process process = { 0 };
	struct vm_disks v = { 0 };
	int result = -1;

	if (q)
		vm_process_read(&process, q);
	if (q && vm_disks_read(&v, q, &process, e) == 0)
		result = 0;
	for (size_t d = 0; d < v.n_disks; d++)
		for (size_t i = 0; i < v.disks[d].n_chain; i++) {
			_cleanup_free_ char *dir = v.disks[d].chain[i].path ? path_dir(v.disks[d].chain[i].path) : NULL;

			if (dir)
				add_once(dirs, dir);
		}
	vm_disks_release(&v);
	vm_process_release(&process);
	qmp_close(q);
	return result;
}

static int directories(const struct recover_options *o, const char *dir, struct path_list *dirs, struct err *e)
{
	_cleanup_free_ char *real = NULL;

	if (!dir && o->socket)
		return directories_of_vm(o->socket, dirs, e);
	real = path_real(dir ? dir : ".");
	if (!real)
		return err_sys(e, errno, "cannot read '%s'", dir);
	/* an unfinished checkpoint itself */
	if (checkpoint_is_partial(real)) {
		_cleanup_free_ char *parent = path_dir(real);

		path_list_add(dirs, parent);
		return 0;
	}
	path_list_add(dirs, real);
	return 0;
}

/* --- what is in them -------------------------------------------------------------------------------------------- */

/* A checkpoint that was published just before its maker died: the journal of its making is left in it. */
static void recover_published(struct recover *r, const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct err e;

	if (fd < 0 || faccessat(fd, UNFINISHED_NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
	    unfinished_lock(fd, &e) != 0 || own_file(fd, UNFINISHED_NAME, &e) < 0)
		return;
	finding_add(r, "journal", dir, "remove it", "the checkpoint is complete; the journal of its making is left in it");
	if (r->yes)
		r->list[r->n - 1].outcome = unlinkat(fd, UNFINISHED_NAME, 0) == 0 ? DONE : FAILED;
}

/* The newest first, so that overlays over one another come down in order. */
static int compare(const void *a, const void *b)
{
	return -strverscmp(*(char *const *)a, *(char *const *)b);
}

static int recover_directory(struct recover *r, const char *path, struct err *e)
{
	DIR *dir = opendir(path);
	struct path_list found = { 0 };
	struct dirent *entry;

	if (!dir)
		return err_sys(e, errno, "cannot read '%s'", path);
	while ((entry = readdir(dir)) != NULL) {
		_cleanup_free_ char *name = path_join(path, entry->d_name);

		if (checkpoint_is_partial(name))
			path_list_add(&found, name);
		else if (checkpoint_is_named(name))
			recover_published(r, name);
	}
	closedir(dir);
	if (found.n)
		qsort(found.paths, found.n, sizeof(*found.paths), compare);
	for (size_t i = 0; i < found.n; i++)
		recover_unfinished(r, found.paths[i]);
	path_list_release(&found);
	return 0;
}

/* --- the verb --------------------------------------------------------------------------------------------------- */

/* The exit status, or -1 with the first failure. */
static int result_of(struct recover *r, struct err *e)
{
	size_t failed = found_count(r, FAILED);

	if (failed == 0)
		return found_count(r, FOUND) + found_count(r, LEFT) > 0 ? EXIT_NO : EXIT_DONE;
	*e = r->why;
	if (!e->text[0])
		err_set(e, "not everything could be done");
	if (found_count(r, DONE) > 0)
		e->status = EXIT_PARTIAL;
	return -1;
}

static void note(const struct recover *r)
{
	size_t left = found_count(r, LEFT), found = found_count(r, FOUND);

	if (r->n == 0)
		cli_note("nothing to recover");
	else if (found > 0 && !r->yes)
		cli_note("nothing was done; --yes takes these steps");
	else if (left + found > 0)
		cli_note("%zu of %zu are left", left + found, r->n);
}

static int recover_all(const struct recover_options *o, const char *dir, struct err *e)
{
	_cleanup_free_ char *socket = o->socket ? path_real(o->socket) : NULL;
	struct recover r = { .socket = socket ? socket : o->socket, .yes = o->yes, .json = o->json };
	struct path_list dirs = { 0 };
	int result = directories(o, dir, &dirs, e);

	for (size_t i = 0; i < dirs.n && result == 0; i++)
		result = recover_directory(&r, dirs.paths[i], e);
	if (result == 0 || r.n > 0) {
		struct err why;
		int printed = found_print(&r, &why) < 0 || cli_flush(&why) < 0 ? -1 : 0;

		if (printed < 0 && result == 0) {
			*e = why;
			result = -1;
		}
		note(&r);
	}
	if (result == 0)
		result = result_of(&r, e);
	path_list_release(&dirs);
	found_release(&r);
	return result;
}

static int recover_main(int argc, char **argv)
{
	struct recover_options o = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_recover, argc, argv, &o, NULL, &e), result = -1;

	if (first >= 0 && argc - first > 1)
		err_usage(&e, "unexpected argument '%s'", argv[first + 1]);
	else if (first >= 0)
		result = recover_all(&o, first < argc ? argv[first] : NULL, &e);
	return result < 0 ? cli_report(&e) : result;
}

const struct cli verb_recover = {
	.tool = "mplcr-trigger",
	.verb = "recover",
	.summary = "take back what a checkpoint left behind that died",
	.usage = "[--socket PATH] [--yes] [DIR]",
	.about = "Finds unfinished checkpoints in DIR (default: here, or with --socket where the VM's images are) whose\n"
		 "mplcr-trigger died together with its guardian, or in a power cut: what is still changed in the VM, and the\n"
		 "overlays that it has to go on with. Prints each with the next step; --yes takes these steps.",
	.options = option_table,
	.operands = CLI_DIRECTORIES,
	.most_operands = 1,
	.run = recover_main,
};
