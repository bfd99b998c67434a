/* SPDX-License-Identifier: MIT */
/* qmp.h, against a peer that does exactly as its script says. */
#include "qemu/qmp.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "tap.h"

#define GREETING                                                                                                       \
	"{\"QMP\": {\"version\": {\"qemu\": {\"major\": 10, \"minor\": 0, \"micro\": 13}}, \"capabilities\": []}}\r\n"
#define HELLO GREETING, "{\"return\": {}, \"id\": 1}\n"

/*
 * What the peer says: the first text when a client connects, each next one when a line came. At the end of the script
 * it closes, or, behind a "", waits for the client to close. Behind a NULL a further client is waited for.
 */
struct peer {
	const char *const *script;
	int clients;
	int listener;
	pthread_t thread;
	char heard[4096];
	char path[64];
};

static void hear(struct peer *p, int fd)
{
	size_t used = strlen(p->heard);
	char byte;

	while (read(fd, &byte, 1) == 1 && used + 1 < sizeof(p->heard)) {
		p->heard[used++] = byte;
		if (byte == '\n')
			break;
	}
}

static void *serve(void *ctx)
{
	struct peer *p = ctx;
	const char *const *say = p->script;

	for (int i = 0; i < p->clients; i++, say++) {
		int fd = accept(p->listener, NULL, NULL);

		for (; *say; say++) {
			size_t left = strlen(*say);
			char byte;

			if (left == 0)
				while (read(fd, &byte, 1) > 0)
					;
			for (const char *at = *say; left > 0;) {
				ssize_t n = send(fd, at, left, MSG_NOSIGNAL);

				if (n < 0)
					break;
				at += n;
				left -= (size_t)n;
			}
			if (say[1] && say[1][0])
				hear(p, fd);
		}
		close(fd);
	}
	return NULL;
}

static void start(struct peer *p, int clients, const char *const *script)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*p = (struct peer){ .script = script, .clients = clients };
	snprintf(p->path, sizeof(p->path), "/tmp/test_qmp.%d", (int)getpid());
	unlink(p->path);
	strcpy(address.sun_path, p->path);
	p->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(p->listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(p->listener, 4) < 0 ||
	    pthread_create(&p->thread, NULL, serve, p) != 0)
		abort();
}

static void stop(struct peer *p, struct qmp *q)
{
	qmp_close(q);
	pthread_join(p->thread, NULL);
	close(p->listener);
	unlink(p->path);
}

/* A client of that script, which must come to be. */
static struct qmp *client(struct peer *p, int clients, const char *const *script)
{
	struct err e = { 0 };
	struct qmp *q;

	start(p, clients, script);
	q = qmp_connect(p->path, 2000, -1, &e);
	if (!ok(q != NULL, "connected"))
		printf("# %s\n", e.text);
	return q;
}

static void no_greeting(const char *said, const char *text)
{
	const char *const script[] = { said, "", NULL };
	struct peer p;
	struct err e = { 0 };

	start(&p, 1, script);
	ok(!qmp_connect(p.path, 100, -1, &e) && strstr(e.text, text) && e.status == EXIT_FAILED && e.hint[0],
	   "no greeting: %s", e.text);
	stop(&p, NULL);
}

/* The first command is answered so: it fails with `text`, and the connection is alive or not. */
static void bad_answer(const char *answer, const char *text, bool alive)
{
	const char *const script[] = { HELLO, answer, NULL };
	struct peer p;
	struct err e = { 0 };
	struct qmp *q = client(&p, 1, script);

	ok(qmp_run(q, "stop", NULL, NULL, &e) == -1 && strstr(e.text, text), "%s", e.text);
	ok(qmp_alive(q) == alive, "%s", alive ? "alive" : "broken");
	if (!alive)
		ok(qmp_run(q, "cont", NULL, NULL, &e) == -1 && strstr(e.text, "connection is gone"), "and stays so");
	stop(&p, q);
}

static void events(void)
{
	const char *const script[] = { HELLO,
				       "{\"event\": \"A\", \"timestamp\": {\"seconds\": 3, \"microseconds\": 4}}\n"
				       "{\"event\": \"B\"}\n{\"return\": {\"x\": 1}, \"id\": 2}\n{\"event\": \"C\"}\n",
				       "", NULL };
	struct peer p;
	struct err e = { 0 };
	struct qmp *q = client(&p, 1, script);
	json_t *ret = NULL, *event = NULL;

	ok(qmp_version(q) == 100013, "the version");
	ok(qmp_run(q, "stop", json_of("{s:i}", "a", 1), &ret, &e) == 0 && json_int(ret, "x", 0) == 1,
	   "an answer behind events");
	json_decref(ret);
	ok(strstr(p.heard, "{\"execute\":\"stop\",\"id\":2,\"arguments\":{\"a\":1}}\n") != NULL, "what was sent");
	for (const char *name = "ABC"; *name; name++) {
		ok(qmp_event(q, clock_in_ms(2000), &event, &e) == 0 && event && json_text(event, "event")[0] == *name,
		   "event %c", *name);
		if (*name == 'A')
			ok(qmp_event_time_us(event) == 3000004, "its time");
		json_decref(event);
	}
	ok(qmp_event(q, clock_in_ms(20), &event, &e) == 0 && !event, "no more");
	stop(&p, q);
}

static void waits(void)
{
	const char *const script[] = { HELLO, "", NULL };
	struct peer p;
	struct err e = { 0 };
	struct qmp *q = client(&p, 1, script);
	int64_t began = clock_ns();
	json_t *event;
	int fd = eventfd(1, EFD_CLOEXEC);

	qmp_set_deadline(q, clock_in_ms(50));
	ok(qmp_event(q, CLOCK_NEVER, &event, &e) == -1 && strstr(e.text, "time limit") && qmp_alive(q), "an event: %s",
	   e.text);
	ok(qmp_run(q, "stop", NULL, NULL, &e) == -1 && strstr(e.text, "in time") && !qmp_alive(q), "an answer: %s",
	   e.text);
	ok(clock_ms_between(began, clock_ns()) < 1500, "in time");
	ok(qmp_take_over(q, &e) == 0 && qmp_alive(q), "taken over");
	qmp_set_deadline(q, CLOCK_NEVER);
	qmp_set_interrupt(q, fd);
	ok(qmp_run(q, "stop", NULL, NULL, &e) == -1 && strcmp(e.text, "interrupted") == 0 && !qmp_alive(q),
	   "interrupted");
	close(fd);
	stop(&p, q);
}

static void take_over(void)
{
	const char *const script[] = {
		HELLO, "{\"retu",
		"rn\": {}, \"id\": 2}\n{\"return\": {\"old\": 1}, \"id\": 7}\nrubbish\n"
		"{\"error\": {\"desc\": \"half a command\"}}\n{\"return\": {\"new\": 1}, \"id\": 1000000003}\n",
		"", NULL
	};
	struct peer p;
	struct err e = { 0 };
	struct qmp *q = client(&p, 1, script);
	json_t *ret = NULL;

	qmp_set_deadline(q, clock_in_ms(50));
	ok(qmp_run(q, "stop", NULL, NULL, &e) == -1, "half an answer, then nothing: %s", e.text);
	qmp_set_deadline(q, clock_in_ms(2000));
	ok(qmp_take_over(q, &e) == 0, "taken over");
	ok(qmp_run(q, "cont", NULL, &ret, &e) == 0 && json_int(ret, "new", 0) == 1, "only the answer to ours counts");
	json_decref(ret);
	ok(strstr(p.heard, "\x1e\n") != NULL, "QEMU's parser was told to start anew");
	stop(&p, q);
}

static void reconnect(void)
{
	const char *const script[] = { HELLO,
				       NULL,
				       GREETING,
				       "{\"return\": {}, \"id\": 1000000003}\n",
				       "{\"return\": {}, \"id\": 1000000004}\n",
				       "",
				       NULL };
	struct peer p;
	struct err e = { 0 };
	struct qmp *q = client(&p, 2, script);

	ok(qmp_run(q, "stop", NULL, NULL, &e) == -1 && !qmp_alive(q), "closed: %s", e.text);
	ok(qmp_take_over(q, &e) == 0 && qmp_alive(q), "taken over on a new connection");
	ok(qmp_run(q, "cont", NULL, NULL, &e) == 0, "which works");
	stop(&p, q);
}

static void pass_descriptor(void)
{
	const char *const script[] = { HELLO, "{\"return\": {}, \"id\": 2}\n", "", NULL };
	struct peer p;
	struct err e = { 0 };
	struct qmp *q = client(&p, 1, script);
	pid_t pid;
	uid_t uid;
	gid_t gid;

	ok(qmp_run_fd(q, "getfd", json_of("{s:s}", "fdname", "x"), 0, &e) == 0, "a descriptor is sent along");
	ok(qmp_peer(q, &pid, &uid, &gid, &e) == 0 && pid == getpid() && uid == getuid(), "the peer is this process");
	stop(&p, q);
}

static void too_long(void)
{
	char *line = malloc((20 << 20) + 1);
	const char *const script[] = { HELLO, line, NULL };
	struct peer p;
	struct err e = { 0 };
	struct qmp *q;

	memset(line, 'x', 20 << 20);
	line[20 << 20] = '\0';
	q = client(&p, 1, script);
	ok(qmp_run(q, "stop", NULL, NULL, &e) == -1 && strstr(e.text, "more than 16777216 bytes") && !qmp_alive(q),
	   "%s", e.text);
	stop(&p, q);
	free(line);
}

static void stamps(void)
{
	static const struct {
		json_int_t s, us;
		int64_t expected;
	} list[] = {
		{ 1795395790, 362516, 1795395790362516 },
		{ -1, -1, 0 },
		{ INT64_MAX, 0, 0 },
		{ 1, 1000000, 0 },
		{ 1, -1, 0 },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		json_t *event =
			json_of("{s:{s:I, s:I}}", "timestamp", "seconds", list[i].s, "microseconds", list[i].us);

		ok(qmp_event_time_us(event) == list[i].expected, "a time stamp of %lld s", (long long)list[i].s);
		json_decref(event);
	}
}

int main(void)
{
	struct err e = { 0 };

	alarm(60);
	ok(!qmp_connect("/nonexistent/socket", 100, -1, &e) && strstr(e.text, "No such file"), "no socket: %s", e.text);
	no_greeting("QEMU 7.2 monitor\r\n(qemu) ", "not a JSON object");
	no_greeting("(qemu) ", "no whole line within 100 ms");
	no_greeting("{\"QMP\": 1}\n", "not a QMP greeting");
	no_greeting("{\"QMP\": {\"version\": {}}}\n", "not a QMP greeting");
	no_greeting("[]\n", "not a JSON object");
	no_greeting("{\"a\": 1, \"a\": 2}\n", "not a JSON object");
	bad_answer("{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 2}\n",
		   "QEMU refused 'stop': no", true);
	bad_answer("{\"error\": 1, \"id\": 2}\n", "QEMU refused 'stop': no reason given", true);
	bad_answer("{\"id\": 2}\n", "QEMU refused 'stop': no reason given", true);
	bad_answer("{\"return\": {}, \"id\": 3}\n", "with a wrong id", false);
	bad_answer("{\"return\": {}, \"id\": \"2\"}\n", "with a wrong id", false);
	bad_answer("{\"return\": {}}\n", "with a wrong id", false);
	bad_answer("{\"error\": {\"desc\": \"what?\"}}\n", "QEMU could not read 'stop': what?", false);
	bad_answer("no\n", "not a JSON object: 'no'", false);
	bad_answer("\n", "not a JSON object", false);
	bad_answer("{\"ret", "closed in the middle of a message", false);
	events();
	waits();
	take_over();
	reconnect();
	pass_descriptor();
	too_long();
	stamps();
	return done();
}
