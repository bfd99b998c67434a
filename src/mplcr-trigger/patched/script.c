/* SPDX-License-Identifier: MIT */
/*
 * The pause of the patched QEMU. QEMU goes through it by itself, and runs a script of ours there with system(), as its
 * own user; and it runs it again at each later checkpoint. So the script does nothing unless there is a job beside it,
 * and is our meeting point: it announces the pause and waits while a thread of ours does the work in the pause, as with
 * any other engine; then it reports the end of the pause.
 *
 *   SOCKET.mplcr/run           the script
 *   SOCKET.mplcr/job/          QEMU's user's, for one checkpoint:
 *       seconds                how long the script waits at most
 *       pause, answer          two FIFOs: from the script, to the script
 *
 * We hold both FIFOs open, so that the script never waits for us to open them; if we die, it reads the end of file and
 * lets the guest run. Only if it reports at the end that it was still waiting was the guest paused all the time.
 */
#include "patched/script.h"
#include "changes.h"
#include "patched/commands.h"
#include "patched/kept.h"
#include "qemu/qmp.h"
#include "survey.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"

/* QEMU cuts it at this length (MPLM_SCRIPT_NAME_LEN, with the NUL). */
#define LINE_LIMIT 200

/* What cloning may take, in the script's eyes, beside the user's command. */
#define CLONING_MS 60000

/* The script answers at once. */
#define ACKNOWLEDGE_MS 5000

static const char script[] =
	"#!/bin/sh\n"
	"# QEMU runs this in the pause of each live checkpoint. Without a job it does nothing. Made by mplcr-trigger.\n"
	"cd -- \"${0%/*}/job\" 2>/dev/null || exit 0\n"
	"read -r seconds <seconds && [ -p answer ] && [ -p pause ] || exit 0\n"
	"exec timeout -k 1 \"$seconds\" sh -c 'exec 3<>answer 4<>pause 5<answer 3>&-; echo begun >&4; "
	"read -r word <&5 && echo over >&4'\n";

struct script {
	int pause, answer; /* the FIFOs */
	int stop[2];       /* a pipe: closed at its writing end when the thread is to end */
	int (*work)(void *ctx, struct err *e);
	void *ctx;
	pthread_t thread;
	bool joined;
	/* The thread's, until it is joined. */
	bool begun; /* the script was run */
	bool over;  /* and waited until we had done */
	int result;
	struct err why;
};

/* --- the thread ------------------------------------------------------------------------------------------------- */

/* Waits for a line of the script. False where we are told to end, or `until` has passed. */
static bool hear(const struct script *s, int64_t until)
{
	struct pollfd fds[] = { { .fd = s->pause, .events = POLLIN }, { .fd = s->stop[0], .events = POLLIN } };
	char line[16];
	struct timespec left;
	int n;

	do
		n = ppoll(fds, 2, clock_left(until, &left), NULL);
	while (n < 0 && errno == EINTR);
	return n > 0 && fds[0].revents && read(s->pause, line, sizeof(line)) > 0;
}

static void *attend(void *script_pointer)
{
	struct script *s = script_pointer;

	interrupt_hold_stops(true);
	if (!hear(s, CLOCK_NEVER))
		return NULL;
	s->begun = true;
	s->result = s->work(s->ctx, &s->why);
	s->over = write(s->answer, "go\n", 3) == 3 && hear(s, clock_in_ms(ACKNOWLEDGE_MS));
	return NULL;
}

static void end_thread(struct script *s)
{
	if (s->stop[1] >= 0)
		close(s->stop[1]);
	s->stop[1] = -1;
	if (!s->joined)
		pthread_join(s->thread, NULL);
	s->joined = true;
}

/* --- the job ---------------------------------------------------------------------------------------------------- */

static int give(int dirfd, const char *name, const struct survey *s, struct err *e)
{
	return !s->process.known || file_give(dirfd, name, s->process.uid, s->process.gid) == 0
		       ? 0
		       : err_sys(e, errno, "cannot give '%s' to QEMU's user", name[0] ? name : "job");
}

/* A FIFO, open at both ends, so that it has a reader and a writer as long as we live. */
static int make_fifo(int dirfd, const char *name, const struct survey *s, struct err *e)
{
	_cleanup_close_ int fd = -1;

	if (mkfifoat(dirfd, name, 0600) < 0)
		return err_sys(e, errno, "cannot make the FIFO '%s'", name);
	fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open the FIFO '%s'", name);
	return give(dirfd, name, s, e) < 0 ? -1 : steal_fd(&fd);
}

static int make_job(struct script *sc, uint64_t limit_ms, const struct kept *k, const struct survey *s,
		    struct changes *c, struct err *e)
{
	_cleanup_free_ char *job = path_join(k->dir, "job");
	_cleanup_free_ char *seconds = text_of("%.3f\n", (double)limit_ms / 1000);
	_cleanup_close_ int dirfd = -1;

	dir_remove(job);
	if (mkdir(job, 0700) < 0)
		return err_sys(e, errno, "cannot make '%s'", job);
	snprintf(c->patch.job, sizeof(c->patch.job), "%s", job);
	dirfd = open(job, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(e, errno, "cannot open '%s'", job);
	if (file_create(dirfd, "seconds", seconds, strlen(seconds), e) < 0 || give(dirfd, "seconds", s, e) < 0)
		return -1;
	sc->pause = make_fifo(dirfd, "pause", s, e);
	if (sc->pause < 0)
		return -1;
	sc->answer = make_fifo(dirfd, "answer", s, e);
	return sc->answer < 0 ? -1 : give(dirfd, "", s, e);
}

static int make_script(const char *path, struct err *e)
{
	unlink(path);
	if (file_create(AT_FDCWD, path, script, sizeof(script) - 1, e) < 0)
		return -1;
	return chmod(path, 0755) == 0 ? 0 : err_sys(e, errno, "cannot make '%s' executable", path);
}

/*
 * What QEMU is to hand to a shell, malloc'd: the path, or, where nothing can be executed in that filesystem (/run of
 * some), the shell with it. NULL where QEMU could not run it.
 */
static char *shell_line(const struct kept *k, const char *path, struct err *e)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+=:,@%";
	_cleanup_free_ char *dir = path_dir(k->dir); /* it is made later */
	struct statvfs v;
	bool noexec = statvfs(dir, &v) == 0 && v.f_flag & ST_NOEXEC;
	char *line = text_of("%s%s", noexec ? "sh " : "", path);

	if (strlen(line) < LINE_LIMIT && strspn(path, plain) == strlen(path))
		return line;
	err_set(e, "the patched QEMU cannot run '%s': at most %d bytes, no blanks and no quotes", line, LINE_LIMIT - 1);
	err_hint(e, "the script is beside the QMP socket: give that a shorter, plainer path");
	free(line);
	return NULL;
}

static int start_thread(struct script *s, struct err *e)
{
	int failed;

	if (pipe2(s->stop, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	failed = pthread_create(&s->thread, NULL, attend, s);
	if (failed)
		return err_sys(e, failed, "cannot start a thread");
	s->joined = false;
	return 0;
}

/* Hands the script to QEMU, which keeps it. */
static int arm(struct script *sc, uint64_t limit_ms, struct kept *k, const struct survey *s, struct changes *c,
	       struct qmp *q, struct err *e)
{
	_cleanup_free_ char *path = path_join(k->dir, "run");
	_cleanup_free_ char *line = shell_line(k, path, e);

	if (!line)
		return -1;
	k->script = true;
	if (kept_store(k, e) < 0 || make_script(path, e) < 0 || make_job(sc, limit_ms, k, s, c, e) < 0 ||
	    start_thread(sc, e) < 0)
		return -1;
	if (patch_enable(c, q, e) < 0) /* QEMU takes no script before */
		return -1;
	return qmp_run(q, "mplcr-post-checkpointing-script", json_of("{s:s}", "uri", line), NULL, e);
}

struct script *script_arm(int (*work)(void *, struct err *), void *ctx, uint64_t command_ms, struct kept *k,
			  const struct survey *s, struct changes *c, struct qmp *q, struct err *e)
{
	struct script *sc = memory_of(1, sizeof(*sc));

	*sc = (struct script){
		.pause = -1, .answer = -1, .stop = { -1, -1 }, .work = work, .ctx = ctx, .joined = true
	};
	if (arm(sc, command_ms + CLONING_MS, k, s, c, q, e) == 0)
		return sc;
	script_end(sc);
	return NULL;
}

int script_result(struct script *sc, const struct kept *k, struct changes *c, struct err *e)
{
	end_thread(sc);
	dir_remove(c->patch.job);
	c->patch.job[0] = '\0';
	if (!sc->begun) {
		err_set(e, "QEMU did not run the script in its pause");
		return err_hint(e, "can its user run '%s/run'?", k->dir);
	}
	if (sc->result < 0) {
		*e = sc->why;
		return -1;
	}
	return sc->over ? 0 : err_set(e, "QEMU's pause was over before all was done in it");
}

void script_end(struct script *sc)
{
	if (!sc)
		return;
	end_thread(sc);
	for (int i = 0; i < 2; i++)
		if (sc->stop[i] >= 0)
			close(sc->stop[i]);
	if (sc->pause >= 0)
		close(sc->pause);
	if (sc->answer >= 0)
		close(sc->answer);
	free(sc);
}
