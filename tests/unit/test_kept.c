/* SPDX-License-Identifier: MIT */
/* kept.c: what is kept beside the socket of a patched QEMU process, and whose state is believed. */
#include "mplcr-trigger/patched/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/proc.h"
#include "tap.h"

static char where[] = "/tmp/test_kept.XXXXXX";
static char *socket_path, *dir, *state;

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void write_state(const char *text)
{
	struct err e;

	unlink(state);
	mkdir(dir, 0711);
	if (file_create(AT_FDCWD, state, text, strlen(text), &e) < 0)
		abort();
}

/* Whether nothing is found to be kept; the result of the load is to be 0. */
static bool nothing_kept(void)
{
	struct kept k;
	struct err e;
	bool nothing = kept_load(&k, socket_path, getpid(), &e) == 0 && !k.script && k.n_queue == 0;

	kept_release(&k);
	return nothing;
}

static void round_trip(void)
{
	struct kept k, again;
	struct stat st;
	struct err e;

	ok(nothing_kept() && !there(dir), "nothing is kept at first, and nothing made for that");
	ok(kept_load(&k, socket_path, getpid(), &e) == 0 && strcmp(k.dir, dir) == 0, "the directory: %s", dir);
	ok(kept_store(&k, &e) == 0 && !there(dir), "nothing to keep makes no directory");
	k.script = true;
	kept_queue_add(&k, "ide0-hd0", "/a/b c\"\\\n.ovl");
	kept_queue_add(&k, "my0", "/z.ovl");
	kept_queue_add(&k, "my1", "/y.ovl")->asked = true;
	k.at_risk = true;
	k.before = (struct kept_migration){ 12, 1LL << 40 };
	umask(077);
	ok(kept_store(&k, &e) == 0 && stat(dir, &st) == 0 && (st.st_mode & 07777) == 0711,
	   "kept; another user can go through the directory, whatever our umask");
	umask(022);
	ok(stat(state, &st) == 0 && (st.st_mode & 07777) == 0600, "the state itself is ours alone");
	ok(kept_load(&again, socket_path, getpid(), &e) == 0 && again.script && again.n_queue == 3,
	   "it is found again");
	ok(kept_queued(&again, "ide0-hd0") && strcmp(kept_queued(&again, "ide0-hd0"), "/a/b c\"\\\n.ovl") == 0 &&
		   kept_queued(&again, "my0") && !kept_queued(&again, "my"),
	   "each overlay by its device, byte by byte");
	ok(again.queue[2].asked && !again.queue[1].asked && !kept_queued(&again, "my1"), "one in doubt is not relied on");
	ok(again.at_risk && again.before.ms == 12 && again.before.bytes == 1LL << 40, "and the migration before");
	kept_queue_cut(&again, 2);
	ok(again.n_queue == 2 && again.at_risk && kept_queued(&again, "my0"), "the last one is dropped");
	kept_queue_cut(&again, 0);
	ok(!again.at_risk, "no queue, no risk");
	ok(kept_store(&again, &e) == 0 && again.n_queue == 0 && there(state),
	   "the script stays when the queue is done");
	kept_release(&again);
	ok(kept_load(&again, socket_path, getpid(), &e) == 0 && again.script && again.n_queue == 0, "and is found");
	again.script = false;
	ok(kept_store(&again, &e) == 0 && !there(dir), "nothing more to keep: all is removed");
	kept_release(&again);
	kept_release(&k);
}

static void other_processes(void)
{
	char text[200];
	struct kept k;
	struct err e;

	snprintf(text, sizeof(text), "{\"pid\": %d, \"started\": %" PRIu64 ", \"script\": true, \"queue\": []}",
		 (int)getpid(), procinfo_started(getpid()) + 1);
	write_state(text);
	ok(nothing_kept(), "of an earlier process with our number: not believed");
	snprintf(text, sizeof(text), "{\"pid\": %d, \"started\": %" PRIu64 ", \"script\": true, \"queue\": []}",
		 (int)getppid(), procinfo_started(getpid()));
	write_state(text);
	ok(nothing_kept(), "of another process: not believed");
	snprintf(text, sizeof(text),
		 "{\"pid\": %d, \"started\": %" PRIu64
		 ", \"script\": true, \"queue\": [{\"device\": \"d\", \"file\": \"f\"}]}",
		 (int)getpid(), procinfo_started(getpid()));
	write_state(text);
	ok(kept_load(&k, socket_path, getpid(), &e) == 0 && k.script && k.n_queue == 1, "our own: believed");
	kept_release(&k);
	dir_remove(dir);
}

static void hostile(void)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"null",
		"\"text\"",
		"{\"pid\": \"1\"}",
		"{\"pid\": 1e300, \"started\": -1, \"script\": true}",
		"{\"pid\": 99999999999999999999999999, \"script\": true}",
		"\xff\xfe\x00",
	};
	static const char *const parts[] = {
		"\"script\": 1, \"queue\": {}",
		"\"script\": \"true\", \"queue\": \"x\"",
		"\"script\": null, \"queue\": [1, null, [], {}, {\"device\": 1, \"file\": \"f\"}, {\"device\": \"d\"}]",
	};
	char *deep = memory_of(60001, 1), text[300];
	struct kept k;
	struct err e;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_state(texts[i]);
		ok(nothing_kept(), "hostile state %zu is nothing", i);
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(text, sizeof(text), "{\"pid\": %d, \"started\": %" PRIu64 ", %s}", (int)getpid(),
			 procinfo_started(getpid()), parts[i]);
		write_state(text);
		ok(nothing_kept(), "hostile part %zu is nothing", i);
	}
	write_state(memset(deep, '[', 60000));
	ok(nothing_kept(), "deep nesting");
	free(deep);
	unlink(state);
	if (symlink("/dev/zero", state) < 0)
		abort();
	ok(kept_load(&k, socket_path, getpid(), &e) == -1, "a state that is no file is refused: %s", e.text);
	kept_release(&k);
	unlink(state);
	if (mkfifo(state, 0600) < 0)
		abort();
	ok(kept_load(&k, socket_path, getpid(), &e) == -1, "a FIFO does not hang it: %s", e.text);
	kept_release(&k);
	dir_remove(dir);
}

/* The directory is one that others can write, or none: refused by load and by store. */
static void refused(const char *what)
{
	struct kept k;
	struct err e = { 0 };

	ok(kept_load(&k, socket_path, getpid(), &e) == -1 && strstr(e.text, "not a directory that only we can write"),
	   "%s is refused: %s", what, e.text);
	k.script = true;
	ok(kept_store(&k, &e) == -1 && !there(state), "and not written to");
	kept_release(&k);
}

static void not_ours(void)
{
	struct kept k = { .script = true, .pid = getpid(), .dir = "/nosuch/vm.qmp.mplcr" };
	char *target = text_of("%s/elsewhere", where);
	struct err e = { 0 };

	mkdir(dir, 0711);
	chmod(dir, 0733);
	refused("a directory that others can write");
	chmod(dir, 0720);
	refused("or the group");
	if (geteuid() == 0 && chmod(dir, 0711) == 0 && chown(dir, 12345, -1) == 0)
		refused("another user's");
	rmdir(dir);
	mkdir(target, 0711);
	if (symlink(target, dir) < 0)
		abort();
	refused("a link to a directory");
	unlink(dir);
	rmdir(target);
	if (file_create(AT_FDCWD, dir, "", 0, &e) < 0)
		abort();
	refused("a file");
	unlink(dir);
	ok(kept_store(&k, &e) == -1 && e.sys == ENOENT && e.hint[0], "no place for it: %s", e.text);
	free(target);
}

/* The name of the socket that users give may be a link, and relative. */
static void by_other_names(void)
{
	char *link = text_of("%s/link", where);
	struct kept k;
	struct err e;

	if (symlink("vm.qmp", link) < 0 || chdir(where) < 0)
		abort();
	ok(kept_load(&k, "link", getpid(), &e) == 0 && strcmp(k.dir, dir) == 0,
	   "the same directory by another name of the socket");
	kept_release(&k);
	unlink(link);
	free(link);
}

int main(void)
{
	struct err e;

	if (!mkdtemp(where))
		abort();
	socket_path = text_of("%s/vm.qmp", where);
	dir = text_of("%s.mplcr", socket_path);
	state = text_of("%s/state.json", dir);
	if (file_create(AT_FDCWD, socket_path, "", 0, &e) < 0)
		abort();
	round_trip();
	other_processes();
	hostile();
	not_ours();
	by_other_names();
	unlink(socket_path);
	ok(rmdir(where) == 0, "nothing is left");
	free(socket_path);
	free(dir);
	free(state);
	return done();
}
