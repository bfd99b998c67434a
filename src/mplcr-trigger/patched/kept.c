/* SPDX-License-Identifier: MIT */
/*
 * The patched QEMU keeps the script of --at-freeze until it ends, and overlays that were queued until a checkpoint
 * makes them; neither can be asked for or taken back. So we note what we gave it, in SOCKET.mplcr/state.json.
 *
 * Only we can write to the directory, since QEMU must not be able to choose files for us to make.
 */
#include "patched/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "base/proc.h"

#define STATE "state.json"
#define STATE_MAX_BYTES (64 << 10)

/* Whether the directory is there; -1 where it is not ours. */
static int check_dir(const char *dir, struct err *e)
{
	struct stat st;

	if (lstat(dir, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot use '%s'", dir);
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 1;
	err_set(e, "'%s' is not a directory that only we can write", dir);
	return err_hint(e, "remove it, if it is not yours");
}

static void read_state(struct kept *k, const json_t *state)
{
	const json_t *one;
	size_t i;

	if (k->pid <= 0 || json_int(state, "pid", 0) != k->pid ||
	    (uint64_t)json_int(state, "started", 0) != procinfo_started(k->pid))
		return; /* of a process that has ended */
	k->script = json_flag(state, "script");
	k->at_risk = json_flag(state, "at_risk");
	k->before.ms = json_int(state, "before_ms", 0);
	k->before.bytes = json_int(state, "before_bytes", 0);
	json_array_foreach (json_object_get(state, "queue"), i, one)
		if (json_text(one, "device") && json_text(one, "file"))
			kept_queue_add(k, json_text(one, "device"), json_text(one, "file"))->asked =
				json_flag(one, "asked");
}

int kept_load(struct kept *k, const char *socket, pid_t pid, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *real = path_real(socket);
	_cleanup_json_ json_t *state = NULL;
	size_t size;
	int there;

	*k = (struct kept){ .pid = pid, .dir = text_of("%s.mplcr", real ? real : socket) };
	there = check_dir(k->dir, e);
	if (there <= 0)
		return there;
	path = path_join(k->dir, STATE);
	if (access(path, F_OK) < 0)
		return 0;
	text = file_read(AT_FDCWD, path, STATE_MAX_BYTES, &size, e);
	if (!text)
		return -1;
	state = json_loadb(text, size, 0, NULL);
	read_state(k, state);
	return 0;
}

static json_t *state_of(const struct kept *k)
{
	json_t *queue = json_array();

	for (size_t i = 0; i < k->n_queue; i++)
		json_array_append_new(queue,
				      json_of("{s:s, s:s, s:b}", "device", k->queue[i].device, "file", k->queue[i].file,
					      "asked", k->queue[i].asked));
	return json_of("{s:I, s:I, s:b, s:b, s:I, s:I, s:o}", "pid", (json_int_t)k->pid, "started",
		       (json_int_t)procinfo_started(k->pid), "script", k->script, "at_risk", k->at_risk, "before_ms",
		       (json_int_t)k->before.ms, "before_bytes", (json_int_t)k->before.bytes, "queue", queue);
}

static int make_dir(const struct kept *k, struct err *e)
{
	if (mkdir(k->dir, 0711) == 0) /* QEMU, another user perhaps, goes through it to the script */
		return chmod(k->dir, 0711) == 0 ? 0 : err_sys(e, errno, "cannot make '%s'", k->dir);
	if (errno == EEXIST)
		return check_dir(k->dir, e) == 1 ? 0 : -1;
	err_sys(e, errno, "cannot make '%s'", k->dir);
	return err_hint(e, "what this QEMU is given and keeps must be noted beside its socket: run mplcr-trigger as "
			   "someone who may write there");
}

int kept_store(const struct kept *k, struct err *e)
{
	_cleanup_json_ json_t *state = state_of(k);
	_cleanup_free_ char *text = json_dumps(state, JSON_COMPACT);
	_cleanup_free_ char *path = path_join(k->dir, STATE);

	if (!k->script && k->n_queue == 0) {
		dir_remove(k->dir);
		return 0;
	}
	if (make_dir(k, e) < 0)
		return -1;
	return file_publish(path, text, strlen(text), 0600, true, e);
}

struct queued *kept_queue_add(struct kept *k, const char *device, const char *file)
{
	struct queued *one = array_add(k->queue, k->n_queue);

	*one = (struct queued){ text_copy(device), text_copy(file), false };
	return one;
}

void kept_queue_cut(struct kept *k, size_t n)
{
	while (k->n_queue > n) {
		k->n_queue--;
		free(k->queue[k->n_queue].device);
		free(k->queue[k->n_queue].file);
	}
	k->at_risk &= n > 0;
}

const char *kept_queued(const struct kept *k, const char *device)
{
	for (size_t i = 0; i < k->n_queue; i++)
		if (!k->queue[i].asked && strcmp(k->queue[i].device, device) == 0)
			return k->queue[i].file;
	return NULL;
}

void kept_release(struct kept *k)
{
	kept_queue_cut(k, 0);
	free(k->queue);
	k->queue = NULL;
	free(k->dir);
	k->dir = NULL;
}
