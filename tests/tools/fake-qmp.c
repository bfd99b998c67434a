/* SPDX-License-Identifier: MIT */
/*
 * A QMP peer that misbehaves on purpose, for the tests:
 *
 *     fake-qmp [-u REAL] [-l LOG] SOCKET [COMMAND[:N]=ACTION]...
 *
 * Listens on the UNIX socket SOCKET, for one client after another. With -u it stands in front of the QEMU whose QMP
 * socket is REAL and passes everything on, descriptors included; without, it answers by itself like a VM without disks.
 * -l appends the name of every command that comes to LOG. Each rule is for the Nth time (default: the first; 0: every
 * time) that COMMAND comes; "*" is any command, "greeting" what is said when a client connects.
 *
 *     error          an error instead of passing it on            mute           neither passed on nor answered
 *     close          the connection is closed                     delay:MS       passed on later
 *     kill           the client is killed (SIGKILL); not passed on
 *     kill-sent      the client is killed, then it is passed on
 *     kill-answered  passed on; the client is killed when the answer comes
 *     both, both-sent, both-answered  the same, and its children (the guardian) with it
 *     int, term, tstp, halt
 *                    SIGINT, SIGTERM, SIGTSTP or SIGSTOP to the client; passed on
 *     halt-answered  passed on; SIGSTOP to the client when the answer comes
 *     kill-qemu      QEMU is killed
 *     silence        neither passed on nor answered, and time flies by 90 s for programs under tests/torture/faults.c
 *     late:SECONDS   so does it before the answer comes
 *     run:SHELL      a shell command is run first                 lose           passed on, the answer swallowed
 *     wrong-id, no-id, twice, event (an event before it), garbage (a line before it), half-hang, half-close,
 *     huge (100 MB instead of it), text:BYTES (instead of it), return:JSON: what happens to the answer
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "kill-both.h"
#include "qmp-end.h"

#define HUGE_BYTES (100u << 20)
#define GREETING                                                                                                       \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": \"\"}, "          \
	"\"capabilities\": [\"oob\"]}}\n"
#define EVENT                                                                                                          \
	"{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 0}, \"timestamp\": {\"seconds\": 1, \"microseconds\": "    \
	"2}}\n"

struct rule {
	char *command;
	unsigned long nth, seen;
	const char *action;
	const char *value; /* behind the ':', or "" */
};

static struct rule *rules;
static size_t n_rules;
static FILE *log_file;
static struct end client, real;

/* The rule that waits for the answer with this id. */
static const struct rule *awaited;
static json_t *awaited_id;

/* --- rules ------------------------------------------------------------------------------------------------------ */

static void add_rule(char *text)
{
	char *equals = strchr(text, '='), *colon;
	struct rule *r;

	if (!equals) {
		fprintf(stderr, "fake-qmp: '%s' is not COMMAND[:N]=ACTION\n", text);
		exit(2);
	}
	rules = realloc(rules, (n_rules + 1) * sizeof(*rules));
	if (!rules)
		die("memory");
	r = &rules[n_rules++];
	*equals = '\0';
	*r = (struct rule){ .command = text, .nth = 1, .action = equals + 1, .value = "" };
	colon = strchr(text, ':');
	if (colon) {
		*colon = '\0';
		r->nth = strtoul(colon + 1, NULL, 10);
	}
	colon = strchr(equals + 1, ':');
	if (colon) {
		*colon = '\0';
		r->value = colon + 1;
	}
}

static const struct rule *rule_for(const char *command)
{
	const struct rule *found = NULL;

	for (size_t i = 0; i < n_rules; i++) {
		struct rule *r = &rules[i];

		if (strcmp(r->command, command) != 0 &&
		    (strcmp(r->command, "*") != 0 || strcmp(command, "greeting") == 0))
			continue;
		r->seen++;
		if (r->nth == 0 || r->nth == r->seen)
			found = r;
	}
	return found;
}

static bool is(const struct rule *r, const char *action)
{
	return r && strcmp(r->action, action) == 0;
}

/* Time goes on for programs under tests/torture/faults.c. */
static void let_time_fly(const char *seconds)
{
	const char *path = getenv("FAULT_CLOCK");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	int64_t *clock = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*clock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (clock == MAP_FAILED)
		die("FAULT_CLOCK");
	__atomic_fetch_add(clock, strtoll(seconds, NULL, 10) * 1000000000, __ATOMIC_RELAXED);
	munmap(clock, sizeof(*clock));
	close(fd);
}

/* --- answers ---------------------------------------------------------------------------------------------------- */

static void say_huge(void)
{
	char *much = malloc(HUGE_BYTES);

	if (!much)
		die("memory");
	memset(much, 'x', HUGE_BYTES);
	end_send(&client, much, HUGE_BYTES, -1);
	free(much);
}

/* Hands an answer, or the greeting, to the client, the way that the rule says. */
static void deliver(const struct rule *r, const char *line)
{
	json_t *message = json_loads(line, 0, NULL);

	if (is(r, "kill-answered") || is(r, "halt-answered") || is(r, "both-answered")) {
		if (is(r, "both-answered"))
			kill_both(client.pid);
		else
			kill(client.pid, is(r, "kill-answered") ? SIGKILL : SIGSTOP);
		end_say(&client, line);
	} else if (is(r, "lose") || is(r, "mute")) {
		;
	} else if (is(r, "half-hang") || is(r, "half-close")) {
		end_send(&client, line, strlen(line) / 2, -1);
		if (is(r, "half-close"))
			end_close(&client);
	} else if (is(r, "close")) {
		end_close(&client);
	} else if (is(r, "huge")) {
		say_huge();
	} else if (is(r, "text")) {
		end_say(&client, r->value);
	} else if (is(r, "wrong-id") || is(r, "no-id")) {
		if (is(r, "no-id"))
			json_object_del(message, "id");
		else
			json_object_set_new(message, "id", json_integer(4711));
		end_say_json(&client, message, -1);
	} else if (is(r, "return")) {
		json_object_set_new(message, "return", json_loads(r->value, JSON_DECODE_ANY, NULL));
		end_say_json(&client, message, -1);
	} else {
		if (is(r, "event"))
			end_say(&client, EVENT EVENT);
		if (is(r, "late"))
			let_time_fly(r->value);
		if (is(r, "garbage"))
			end_say(&client, "\x01\x02 garbage }{\n");
		end_say(&client, line);
		if (is(r, "twice"))
			end_say(&client, line);
	}
	json_decref(message);
}

/* What QEMU says: an answer that a rule waits for, or anything else, which is passed on. */
static void from_real(const char *line)
{
	json_t *message = json_loads(line, 0, NULL), *id = json_object_get(message, "id");
	const struct rule *r = NULL;

	if (awaited && id && json_equal(id, awaited_id)) {
		r = awaited;
		awaited = NULL;
	}
	json_decref(message);
	deliver(r, line);
}

/* The answer of a QEMU that is not there. */
static void answer_alone(const struct rule *r, const char *command, json_t *id)
{
	static const char *const known[][2] = {
		{ "query-version", "{\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": \"\"}" },
		{ "query-status", "{\"status\": \"running\", \"running\": true}" },
		{ "query-memory-size-summary", "{\"base-memory\": 134217728}" },
		{ "qom-get", "\"pc-i440fx-7.2-machine\"" },
		{ "query-block-jobs", "[]" },
		{ "query-memdev", "[]" },
		{ "query-migrate-capabilities", "[]" },
		{ "query-block", "[]" },
		{ "query-named-block-nodes", "[]" },
	};
	const char *value = "{}";
	json_t *message;
	char *text, *line;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i][0], command) == 0)
			value = known[i][1];
	message = json_pack("{s:o, s:O*}", "return", json_loads(value, JSON_DECODE_ANY, NULL), "id", id);
	text = json_dumps(message, JSON_COMPACT);
	if (asprintf(&line, "%s\n", text) < 0)
		die("memory");
	deliver(r, line);
	free(line);
	free(text);
	json_decref(message);
}

/* --- commands --------------------------------------------------------------------------------------------------- */

/* To the client, before the command is passed on. */
static const struct {
	const char *action;
	int number;
} signals[] = { { "int", SIGINT }, { "term", SIGTERM }, { "tstp", SIGTSTP }, { "halt", SIGSTOP } };

/* What a rule does before the command is passed on. Returns whether it is passed on at all. */
static bool act(const struct rule *r, json_t *id)
{
	if (is(r, "error")) {
		json_t *message = json_pack("{s:{s:s, s:s}, s:O*}", "error", "class", "GenericError", "desc",
					    r->value[0] ? r->value : "the test refuses it", "id", id);

		end_say_json(&client, message, -1);
		json_decref(message);
		return false;
	}
	if (is(r, "silence"))
		let_time_fly("90");
	if (is(r, "mute") || is(r, "silence"))
		return false;
	if (is(r, "close") || is(r, "kill") || is(r, "both")) {
		if (is(r, "kill"))
			kill(client.pid, SIGKILL);
		else if (is(r, "both"))
			kill_both(client.pid);
		else
			end_close(&client);
		return false;
	}
	if (is(r, "delay"))
		usleep(1000 * (useconds_t)strtoul(r->value, NULL, 10));
	if (is(r, "run") && system(r->value) != 0)
		fprintf(stderr, "fake-qmp: failed: %s\n", r->value);
	if (is(r, "kill-sent"))
		kill(client.pid, SIGKILL);
	if (is(r, "both-sent"))
		kill_both(client.pid);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (is(r, signals[i].action))
			kill(client.pid, signals[i].number);
	if (is(r, "kill-qemu"))
		kill(real.pid, SIGKILL);
	return true;
}

static void from_client(const char *line)
{
	json_t *message = json_loads(line, 0, NULL), *id = json_object_get(message, "id");
	const char *command = json_string_value(json_object_get(message, "execute"));
	const struct rule *r = command ? rule_for(command) : NULL;

	if (command && log_file) {
		fprintf(log_file, "%s\n", command);
		fflush(log_file);
	}
	if (!command && real.fd < 0) {
		; /* no command: nobody to answer */
	} else if (act(r, id)) {
		if (real.fd < 0) {
			answer_alone(r, command, id);
		} else {
			if (r) {
				awaited = r;
				json_decref(awaited_id);
				awaited_id = json_incref(id);
			}
			end_send(&real, line, strlen(line), client.passed);
		}
	}
	end_drop_passed(&client);
	json_decref(message);
}

/* --- connections ------------------------------------------------------------------------------------------------ */

static void take_lines(struct end *end, void (*take)(const char *line))
{
	char *line;

	while (end->fd >= 0 && (line = end_line(end)) != NULL) {
		take(line);
		free(line);
	}
}

static void serve_client(const char *upstream)
{
	const struct rule *greeting = rule_for("greeting");

	real.fd = -1;
	if (!upstream)
		deliver(greeting, GREETING);
	else if (!end_connect(&real, upstream))
		die(upstream);
	while (client.fd >= 0) {
		struct pollfd p[2] = { { .fd = client.fd, .events = POLLIN }, { .fd = real.fd, .events = POLLIN } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[1].revents) {
			if (!end_read(&real))
				break;
			take_lines(&real, from_real);
		}
		if (client.fd >= 0 && p[0].revents) {
			if (!end_read(&client))
				break;
			take_lines(&client, from_client);
		}
	}
	end_close(&client);
	end_close(&real);
}

int main(int argc, char **argv)
{
	const char *upstream = NULL;
	const char *path;
	int listener, option;

	while ((option = getopt(argc, argv, "+u:l:")) != -1) {
		if (option == 'u')
			upstream = optarg;
		else if (option == 'l' && !(log_file = fopen(optarg, "ae")))
			die(optarg);
		else if (option == '?')
			return 2;
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: fake-qmp [-u REAL] [-l LOG] SOCKET [COMMAND[:N]=ACTION]...\n");
		return 2;
	}
	path = argv[optind++];
	while (optind < argc)
		add_rule(argv[optind++]);
	signal(SIGPIPE, SIG_IGN);
	listener = end_listen(path);
	for (;;) {
		end_accept(&client, listener);
		serve_client(upstream);
	}
}
