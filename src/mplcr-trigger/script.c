/* SPDX-License-Identifier: MIT */
/*
 * The user's command in the pause of the patched QEMU. QEMU runs a script of ours with system(), as its own user, and
 * drops its exit status and output; and it runs it again at each later checkpoint. So the script does nothing unless a
 * job stands beside it, and leaves there what became of it:
 *
 *   SOCKET.mplcr/run           the script
 *   SOCKET.mplcr/job/          QEMU's user's, for one checkpoint:
 *       command, files, seconds    the user's command; the frozen images, one a line, its standard input; its time
 *       begun, output, status      that it began; what it printed; its exit status, where it came to an end in time
 */
#include "trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "fdio.h"
#include "json.h"
#include "process.h"

/* QEMU cuts it at this length (MPLM_SCRIPT_NAME_LEN, with the NUL). */
#define LINE_LIMIT 200

#define OUTPUT_MAX_BYTES (1 << 20)

static const char script[] =
	"#!/bin/sh\n"
	"# QEMU runs this in the pause of each live checkpoint. Without a job it does nothing. Made by mplcr-trigger.\n"
	"cd -- \"${0%/*}/job\" 2>/dev/null || exit 0\n"
	"[ -e begun ] && exit 0\n"
	"read -r seconds <seconds && : >begun || exit\n"
	"timeout -k 1 \"$seconds\" sh -c 'sh ./command <files >output 2>&1; echo $? >status'\n";

/* `text` as one word of a shell: in single quotes. Malloc'd. */
static char *shell_word(const char *text)
{
	char *word = memory_of(4 * strlen(text) + 3, 1), *to = word;

	*to++ = '\'';
	for (; *text; text++) {
		if (*text == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *text;
	}
	*to = '\'';
	return word;
}

/* The command as it would run here: in our directory, with our PATH. Malloc'd. */
static char *command_text(const char *command)
{
	_cleanup_free_ char *cwd = path_real(".");
	_cleanup_free_ char *dir = shell_word(cwd ? cwd : "/");
	_cleanup_free_ char *path = shell_word(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");

	return text_of("cd -- %s || exit 126\nPATH=%s; export PATH\n%s\n", dir, path, command);
}

/* A file of the job, readable by QEMU's user. */
static int job_file(int dirfd, const char *name, const char *text, const struct survey *s, struct err *e)
{
	if (file_create(dirfd, name, text, strlen(text), e) < 0)
		return -1;
	if (s->proc_known && file_give(dirfd, name, s->uid, s->gid) < 0)
		return err_sys(e, errno, "cannot give '%s' to QEMU's user", name);
	return 0;
}

static int make_job(const struct options *o, const struct plan *p, const struct survey *s, struct changes *c,
		    struct err *e)
{
	_cleanup_free_ char *job = path_join(s->sticky.dir, "job");
	_cleanup_free_ char *command = command_text(o->at_freeze);
	_cleanup_free_ char *files = at_freeze_list(o, p);
	_cleanup_free_ char *seconds = text_of("%.3f\n", (double)o->at_freeze_ms / 1000);
	_cleanup_close_ int dirfd = -1;

	dir_remove(job);
	if (mkdir(job, 0700) < 0)
		return err_sys(e, errno, "cannot make '%s'", job);
	snprintf(c->patch.job, sizeof(c->patch.job), "%s", job);
	dirfd = open(job, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(e, errno, "cannot open '%s'", job);
	if (job_file(dirfd, "command", command, s, e) < 0 || job_file(dirfd, "files", files, s, e) < 0 ||
	    job_file(dirfd, "seconds", seconds, s, e) < 0)
		return -1;
	if (s->proc_known && file_give(dirfd, "", s->uid, s->gid) < 0)
		return err_sys(e, errno, "cannot give '%s' to QEMU's user", job);
	return 0;
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
static char *shell_line(const struct sticky *k, const char *path, struct err *e)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+=:,@%";
	_cleanup_free_ char *dir = path_dir(k->dir); /* it is made later */
	struct statvfs v;
	bool noexec = statvfs(dir, &v) == 0 && v.f_flag & ST_NOEXEC;
	char *line = text_of("%s%s", noexec ? "sh " : "", path);

	if (strlen(line) < LINE_LIMIT && strspn(path, plain) == strlen(path))
		return line;
	err_set(e, "the patched QEMU cannot run '%s': at most %d bytes, no blanks and no quotes", line, LINE_LIMIT - 1);
	err_hint(e, "the script stands beside the QMP socket: a shorter, plainer path of that helps");
	free(line);
	return NULL;
}

int script_arm(const struct options *o, const struct plan *p, struct survey *s, struct changes *c, struct qmp *q,
	       struct err *e)
{
	_cleanup_free_ char *path = path_join(s->sticky.dir, "run");
	_cleanup_free_ char *line = shell_line(&s->sticky, path, e);

	if (!line)
		return -1;
	s->sticky.script = true;
	if (sticky_store(&s->sticky, e) < 0 || make_script(path, e) < 0 || make_job(o, p, s, c, e) < 0)
		return -1;
	if (patch_enable(c, q, e) < 0) /* QEMU takes no script before */
		return -1;
	return qmp_run(q, "mplcr-post-checkpointing-script", json_of("{s:s}", "uri", line), NULL, e);
}

/*
 * The beginning of a file of the job, malloc'd; NULL where there is none. QEMU's user may have put anything there, a
 * link to what he cannot read as well.
 */
static char *job_text(int dirfd, const char *name)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char *text = fd >= 0 ? memory_of(OUTPUT_MAX_BYTES + 1, 1) : NULL;
	ssize_t n = text ? read(fd, text, OUTPUT_MAX_BYTES) : 0;

	if (n >= 0)
		return text;
	free(text);
	return NULL;
}

/* The exit status that the script left, or -1 where it did not run to its end. */
static int read_status(int dirfd)
{
	_cleanup_free_ char *text = job_text(dirfd, "status");
	char *end;
	long status = text ? strtol(text, &end, 10) : -1;

	return text && end > text && status >= 0 && status <= 255 ? (int)status : -1;
}

int script_result(const struct survey *s, struct changes *c, struct err *e)
{
	_cleanup_close_ int dirfd = open(c->patch.job, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *output = NULL;
	bool begun;
	int status;

	if (dirfd < 0)
		return err_sys(e, errno, "cannot open '%s'", c->patch.job);
	output = job_text(dirfd, "output");
	status = read_status(dirfd);
	begun = faccessat(dirfd, "begun", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	dir_remove(c->patch.job);
	c->patch.job[0] = '\0';
	if (status > 0)
		return process_failed(AT_FREEZE_COMMAND, output, e);
	if (status == 0) {
		at_freeze_show(output);
		return 0;
	}
	if (begun)
		return err_set(e, "%s did not end in time", AT_FREEZE_COMMAND);
	err_set(e, "QEMU did not run %s", AT_FREEZE_COMMAND);
	return err_hint(e, "can its user run '%s/run'?", s->sticky.dir);
}
