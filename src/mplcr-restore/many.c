/* SPDX-License-Identifier: MIT */
/*
 * --count: many VMs of one plan. Each is started by a process of its own, some of them at the same time; it tells when
 * its guest runs, then sends its report, and ends. With --all-or-none it waits in between for a word of ours: without
 * one, also when we die, it takes its VM back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/workers.h"
#include "restore.h"

enum {
	PER_PROCESSOR = 2, /* that are started at the same time: one of them waits for the other's QEMU now and then */
	REPORT_MAX = 1 << 20,
};

#define RUNS 'r'
#define STAYS 's'

struct clone {
	pid_t pid;  /* of the process that starts it */
	int from;   /* RUNS and its report; -1 once it has ended */
	int go;     /* --all-or-none: takes STAYS; else -1 */
	bool runs;
	char *report;
	size_t length;
};

struct many {
	struct plan *p;
	int64_t began;
	int interrupt;
	struct clone *clones;
	size_t n, begun; /* to be started; processes that do */
	size_t starting; /* of these have not told yet how it went */
	size_t failed;   /* could not be started */
	size_t alive;    /* processes that have not ended */
	bool decided;    /* no more is started, and each has its word */
};

/* --- in the process of one --------------------------------------------------------------------------------------- */

static bool may_stay(int go)
{
	char word = 0;

	return go < 0 || (read(go, &word, 1) == 1 && word == STAYS);
}

static int be_clone(const struct many *m, size_t number, int to, int go)
{
	struct plan *p = m->p;
	struct err e = { 0 };
	struct vm vm;
	int status;

	if (p->wish) {
		_cleanup_free_ char *name = p->wish;

		p->wish = text_of("%s-%zu", name, number);
	}
	if (run_start(p, &vm, &e) < 0) {
		err_prefix(&e, "%s", p->name);
		return e.sys == EINTR ? e.status : cli_report(&e); /* who ends us tells why */
	}
	if (fd_write_all(to, (const char[]){ RUNS }, 1) < 0 || !may_stay(go)) {
		run_undo(p, &vm);
		return EXIT_FAILED;
	}
	status = run_hand_over(p, &vm, m->began, &e);
	return status < 0 ? cli_report(&e) : status;
}

static void __attribute__((noreturn)) run_clone(const struct many *m, size_t number, int to, int go)
{
	for (size_t i = 0; i < m->begun; i++) { /* whoever holds them makes others wait for an end */
		if (m->clones[i].go >= 0)
			close(m->clones[i].go);
		if (m->clones[i].from >= 0)
			close(m->clones[i].from);
	}
	dup2(to, STDOUT_FILENO);
	_exit(be_clone(m, number, to, go));
}

/* --- here -------------------------------------------------------------------------------------------------------- */

static int start_clone(struct many *m, struct err *e)
{
	_cleanup_close_ int to = -1, wait = -1;
	struct clone c = { .from = -1, .go = -1 };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	c.from = ends[0];
	to = ends[1];
	if (m->p->o->all_or_none && pipe2(ends, O_CLOEXEC) == 0) {
		wait = ends[0];
		c.go = ends[1];
	}
	c.pid = !m->p->o->all_or_none || c.go >= 0 ? fork() : -1;
	if (c.pid < 0) {
		err_sys(e, errno, "cannot start a process");
		close(c.from);
		cleanup_close(&c.go);
		return -1;
	}
	if (c.pid == 0) {
		if (c.go >= 0)
			close(c.go);
		run_clone(m, m->begun + 1, to, wait);
	}
	m->clones[m->begun++] = c;
	m->starting++;
	m->alive++;
	return 0;
}

/* No more is started; those that wait for a word stay or go. */
static void decide(struct many *m, bool stay)
{
	m->decided = true;
	for (size_t i = 0; i < m->begun; i++) {
		struct clone *c = &m->clones[i];

		if (c->go < 0)
			continue;
		if (stay && write(c->go, (const char[]){ STAYS }, 1) != 1)
			cli_warn("process %d, which starts a VM, cannot be told that it stays", (int)c->pid);
		close(steal_fd(&c->go));
	}
}

static void take_report(struct clone *c, const char *bytes, size_t n)
{
	if (c->length + n > REPORT_MAX)
		return;
	c->report = memory_checked(realloc(c->report, c->length + n));
	memcpy(c->report + c->length, bytes, n);
	c->length += n;
}

static void hear(struct many *m, struct clone *c, const char *bytes, size_t n)
{
	if (!c->runs && n > 0 && bytes[0] == RUNS) {
		c->runs = true;
		m->starting--;
		bytes++;
		n--;
	}
	if (n > 0)
		take_report(c, bytes, n);
}

/* Its process has ended. Its report, whole, is passed on. */
static void end_clone(struct many *m, struct clone *c)
{
	close(steal_fd(&c->from));
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	m->alive--;
	if (!c->runs) {
		m->starting--;
		m->failed += !m->decided;
	}
	if (c->length > 0 && fwrite(c->report, 1, c->length, stdout) == c->length)
		fflush(stdout); /* (also so that no process to come has it in its buffer; whether it worked, cli_flush tells) */
	free(c->report);
	c->report = NULL;
}

/* Waits until one of the processes tells something. Returns 0, or -1 when we are to end. */
static int listen_to(struct many *m, struct err *e)
{
	_cleanup_free_ struct pollfd *fds = memory_of(m->begun + 1, sizeof(*fds));
	char bytes[4096];

	for (size_t i = 0; i < m->begun; i++)
		fds[i] = (struct pollfd){ .fd = m->clones[i].from, .events = POLLIN };
	fds[m->begun] = (struct pollfd){ .fd = m->decided ? -1 : m->interrupt, .events = POLLIN };
	if (poll(fds, m->begun + 1, -1) < 0 && errno != EINTR)
		return err_sys(e, errno, "cannot wait for the VMs to start");
	if (fds[m->begun].revents)
		return interrupt_error(e);
	for (size_t i = 0; i < m->begun; i++) {
		struct clone *c = &m->clones[i];
		ssize_t n = fds[i].revents ? read(c->from, bytes, sizeof(bytes)) : -1;

		if (n > 0)
			hear(m, c, bytes, (size_t)n);
		else if (n == 0)
			end_clone(m, c);
	}
	return 0;
}

static int start_some(struct many *m, struct err *e)
{
	while (!m->decided && m->begun < m->n && m->starting < PER_PROCESSOR * workers_processors())
		if (start_clone(m, e) < 0)
			return -1;
	return 0;
}

/* What keeps us from starting more, or all: those under way are ended, with --all-or-none the others too. */
static void give_up(struct many *m)
{
	decide(m, false);
	for (size_t i = 0; i < m->begun; i++)
		if (m->clones[i].from >= 0 && !m->clones[i].runs)
			kill(m->clones[i].pid, SIGTERM);
}

/* Starts all, and waits for all. Returns 0, or -1 where that was broken off. */
static int start_all(struct many *m, struct err *e)
{
	bool all = m->p->o->all_or_none;
	struct err ignored;
	int result = 0;

	do {
		if (result == 0 && (start_some(m, e) < 0 || listen_to(m, e) < 0)) {
			result = -1;
			give_up(m);
		} else if (result < 0 && listen_to(m, &ignored) < 0) {
			break;
		}
		if (all && !m->decided && m->failed > 0)
			give_up(m);
		else if (all && !m->decided && m->begun == m->n && m->starting == 0)
			decide(m, true);
	} while (m->alive > 0 || (!m->decided && m->begun < m->n));
	return result;
}

static size_t running(const struct many *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->begun; i++)
		n += m->clones[i].runs;
	return n;
}

static int conclude(const struct many *m, int result, struct err *e)
{
	bool none = m->p->o->all_or_none && (m->failed > 0 || result < 0);
	size_t n = none ? 0 : running(m);

	if (result == 0 && m->failed == 0) {
		cli_note("%zu VMs %s checkpoint '%s', %s, %.0f ms in all", n, m->p->o->paused ? "are ready from" : "run from",
			 m->p->m->name, m->p->lazy ? "lazily" : "eagerly", clock_ms_between(m->began, clock_ns()));
		return EXIT_DONE;
	}
	if (result == 0)
		err_set(e, "%zu of %zu VMs could not be started%s", m->failed, m->n,
			none ? ", so none runs" : n ? "; the others run" : "");
	else if (n > 0)
		err_hint(e, "%zu of %zu VMs run", n, m->n);
	if (n > 0)
		e->status = EXIT_PARTIAL;
	return -1;
}

int many_restore(struct plan *p, int64_t began, struct err *e)
{
	struct many m = { .p = p, .began = began, .interrupt = interrupt_open(e), .n = (size_t)p->o->count };
	int *templates = m.interrupt >= 0 ? overlays_templates(p, m.interrupt, e) : NULL;
	int result;

	if (!templates)
		return -1;
	p->templates = templates;
	m.clones = memory_of(m.n, sizeof(*m.clones));
	result = conclude(&m, start_all(&m, e), e);
	free(m.clones);
	p->templates = NULL;
	overlays_templates_free(p, templates);
	return result == EXIT_DONE && cli_flush(e) < 0 ? err_prefix(e, "the VMs run, but") : result;
}
