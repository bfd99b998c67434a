/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: QMP. Any bytes may come from a QMP socket, and all that mplcr-trigger asks a VM before it touches it must
 * end, with an error in words, or with a survey that holds: a machine, a run state, and disks that have names and images.
 *
 * The peer says all of the input at once and waits for no question: answers carry their ids (1, 2, …). An input that
 * begins with 'T' is read by somebody who has taken the connection over, as a guardian does: ids from 1000000002 on.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "fuzz.h"
#include "mplcr-trigger/changes.h"
#include "mplcr-trigger/survey.h"
#include "qemu/block_job.h"
#include "qemu/nodes.h"

/* What a socket's buffer takes at once. */
#define INPUT_MAX (64u << 10)

static struct {
	pthread_mutex_t mutex;
	char path[64];
	int listener;
	uint8_t input[INPUT_MAX];
	size_t size;
} peer = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* A client that has gone is closed when the next one comes: who closes with words unread resets the connection. */
static void *serve(void *unused)
{
	for (int before = -1;;) {
		int fd = accept(peer.listener, NULL, NULL);

		check(fd >= 0);
		pthread_mutex_lock(&peer.mutex);
		check(send(fd, peer.input, peer.size, MSG_NOSIGNAL) == (ssize_t)peer.size || peer.size == 0);
		shutdown(fd, SHUT_WR);
		pthread_mutex_unlock(&peer.mutex);
		if (before >= 0)
			close(before);
		before = fd;
	}
	return unused;
}

static void clean_up(void)
{
	unlink(peer.path);
}

static void start(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	pthread_t thread;

	snprintf(peer.path, sizeof(peer.path), "/tmp/mplcr-fuzz-qmp.%d", (int)getpid());
	strcpy(address.sun_path, peer.path);
	peer.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(bind(peer.listener, (struct sockaddr *)&address, sizeof(address)) == 0 && atexit(clean_up) == 0);
	check(listen(peer.listener, 8) == 0 && pthread_create(&thread, NULL, serve, NULL) == 0);
}

static void is_to_say(const uint8_t *data, size_t size)
{
	pthread_mutex_lock(&peer.mutex);
	memcpy(peer.input, data, size);
	peer.size = size;
	pthread_mutex_unlock(&peer.mutex);
}

static void check_survey(const struct survey *s)
{
	check(s->machine && s->run_state && s->package && s->capabilities);
	for (size_t i = 0; i < s->n_disks; i++) {
		const struct disk *d = &s->disks[i];

		check(d->device && d->node && d->shown && d->backend && d->n_chain > 0);
		check(disk_has_name(d, d->device));
		for (size_t k = 0; k < d->n_chain; k++)
			check(d->chain[k].format && (d->chain[k].path || d->refusal));
	}
}

static void survey(struct qmp *q)
{
	static struct changes *changes;
	struct engines engines = engines_all;
	struct err e = { 0 };
	struct survey s;

	if (!changes)
		changes = changes_new(&e);
	check(changes != NULL);
	memset(changes, 0, sizeof(*changes));
	if (survey_vm(&s, &engines, "/nowhere/qmp.sock", q, changes, &e) == 0)
		check_survey(&s);
	else
		check(e.text[0]);
	survey_release(&s);
	engines_release(&engines);
}

/* What comes after that: jobs, nodes and events, until the connection ends. */
static void ask_more(struct qmp *q)
{
	struct block_job job;
	json_t *nodes = NULL, *event = NULL;
	struct err e = { 0 };

	if (block_job_look(q, "mplcr-undo", &job, &e) == 0)
		check(job.state <= BLOCK_JOB_GONE);
	if (nodes_read(q, &nodes, &e) == 0)
		(void)node_find(nodes, &(struct node_wanted){ .name = "x", .path = "/nowhere/x", .writable = true });
	json_decref(nodes);
	while (qmp_event(q, clock_in_ms(0), &event, &e) == 0 && event) {
		check(qmp_event_time_us(event) >= 0);
		json_decref(event);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool takes_over = size > 0 && data[0] == 'T';
	struct err e = { 0 };
	struct qmp *q;

	if (size > INPUT_MAX)
		return 0;
	if (peer.path[0] == '\0')
		start();
	is_to_say(data + takes_over, size - takes_over);
	q = qmp_connect(peer.path, 5000, -1, &e);
	if (!q) {
		check(e.text[0]);
		return 0;
	}
	if (!takes_over || qmp_take_over(q, &e) == 0) {
		survey(q);
		ask_more(q);
	}
	qmp_close(q);
	return 0;
}
