/* SPDX-License-Identifier: MIT */
#include "standin.h"

/*
 * With these no live stage ends, for one that is extended: it is too slow for its first pass (bytes per second), and
 * what may be left for the pause (ms) is nothing.
 */
#define TRICKLE (1 << 20)
#define NO_PAUSE 1

#define UNLIMITED (100LL << 30) /* bytes per second */

/* What the client has set, and what QEMU really has, which can be another value during a migration. */
struct parameter {
	const char *name;
	json_int_t client, real;
};

static struct parameter bandwidth = { .name = "max-bandwidth" }, pause_limit = { .name = "downtime-limit" };
static bool client_events; /* QEMU always has it on, for us */

bool settings_events(void)
{
	return client_events;
}

/* Whether 2.9 has it. */
static bool is_known(const char *capability)
{
	static const char *const known[] = { "xbzrle", "rdma-pin-all", "auto-converge", "zero-blocks", "compress",
					     "events", "postcopy-ram", "x-colo",        "release-ram" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], capability) == 0)
			return true;
	return options.all_capabilities;
}

static bool is_extended(void)
{
	return run.kind == OURS && patch.extended;
}

static void set_real(struct parameter *p, json_int_t value)
{
	if (value != p->real)
		qemu_tell("migrate-set-parameters", json_pack("{s:I}", p->name, value));
	p->real = value;
}

/* The parameter's value in the object, where it is there. */
static bool read_parameter(struct parameter *p, const json_t *object)
{
	const json_t *value = json_object_get(object, p->name);

	if (value)
		p->client = json_integer_value(value);
	return value != NULL;
}

static void set_capability(const char *name, bool state)
{
	qemu_tell("migrate-set-capabilities",
		  json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", name, "state", state));
}

/* Whether the client has switched on what does not go together with a pause of ours. */
static bool client_has_its_own_way(void)
{
	json_t *answer = qemu_ask("query-migrate-capabilities", NULL), *one;
	bool has = false;
	size_t i;

	json_array_foreach (json_object_get(answer, "return"), i, one)
		if (strcmp(text_of(one, "capability"), "pause-before-switchover") == 0 ||
		    strcmp(text_of(one, "capability"), "background-snapshot") == 0)
			has |= json_is_true(json_object_get(one, "state"));
	json_decref(answer);
	return has;
}

void settings_begin(void)
{
	json_t *answer = qemu_ask("query-migrate-parameters", NULL);

	read_parameter(&bandwidth, json_object_get(answer, "return"));
	read_parameter(&pause_limit, json_object_get(answer, "return"));
	bandwidth.real = bandwidth.client;
	pause_limit.real = pause_limit.client;
	json_decref(answer);
	set_capability("events", true);
	if (options.version[0])
		json_object_set_new(json_object_get(greeting, "QMP"), "version",
				    json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", options.version[0], "minor",
					      options.version[1], "micro", options.version[2], "package", ""));
}

void settings_parameters(void)
{
	bool unlimited = run.kind == OURS && run.unlimited;

	set_real(&pause_limit, is_extended() ? NO_PAUSE : pause_limit.client);
	set_real(&bandwidth, is_extended() ? TRICKLE : unlimited ? UNLIMITED : bandwidth.client);
}

void settings_for_run(void)
{
	run.kind = client_has_its_own_way() ? CLIENTS : OURS;
	if (run.kind == OURS)
		set_capability("pause-before-switchover", true);
	settings_parameters();
}

void settings_after_run(void)
{
	set_capability("pause-before-switchover", false);
	settings_parameters();
}

json_t *do_query_migrate_capabilities(json_t *arguments)
{
	json_t *answer = qemu_ask("query-migrate-capabilities", json_incref(arguments)), *shown = json_array(), *one;
	size_t i;

	json_array_foreach (json_object_get(answer, "return"), i, one) {
		const char *name = text_of(one, "capability");

		if (strcmp(name, "events") == 0)
			json_object_set_new(one, "state", json_boolean(client_events));
		if (strcmp(name, "pause-before-switchover") == 0 && run.kind == OURS)
			json_object_set_new(one, "state", json_false());
		if (is_known(name))
			json_array_append(shown, one);
	}
	json_object_set_new(answer, "return", shown);
	return answer;
}

json_t *do_migrate_set_capabilities(json_t *arguments)
{
	json_t *all = json_object_get(arguments, "capabilities"), *others = json_array(), *one, *answer = NULL;
	bool events = client_events;
	size_t i;

	if (run.kind == STUCK && strcmp(run.status, "active") == 0)
		answer = answer_error(ACTIVE_TEXT);
	json_array_foreach (all, i, one) {
		const char *name = text_of(one, "capability");

		if (!is_known(name) && !answer)
			answer = answer_error("Invalid parameter '%s'", name);
		if (strcmp(name, "events") == 0)
			events = json_is_true(json_object_get(one, "state"));
		else
			json_array_append(others, one);
	}
	if (!answer)
		answer = qemu_ask("migrate-set-capabilities", json_pack("{s:O}", "capabilities", others));
	if (json_object_get(answer, "return"))
		client_events = events;
	json_decref(others);
	return answer;
}

json_t *do_query_migrate_parameters(json_t *arguments)
{
	json_t *answer = qemu_ask("query-migrate-parameters", json_incref(arguments));

	json_object_set_new(json_object_get(answer, "return"), bandwidth.name, json_integer(bandwidth.client));
	json_object_set_new(json_object_get(answer, "return"), pause_limit.name, json_integer(pause_limit.client));
	return answer;
}

/* Any max-bandwidth also switches the maximum rate off. */
json_t *do_migrate_set_parameters(json_t *arguments)
{
	json_t *others = json_copy(arguments), *answer;

	if (is_extended()) { /* these two are for later */
		json_object_del(others, bandwidth.name);
		json_object_del(others, pause_limit.name);
	}
	answer = qemu_ask("migrate-set-parameters", others);
	if (json_object_get(answer, "error"))
		return answer;
	if (read_parameter(&pause_limit, arguments) && !is_extended())
		pause_limit.real = pause_limit.client;
	if (read_parameter(&bandwidth, arguments)) {
		if (!is_extended())
			bandwidth.real = bandwidth.client;
		patch.max_rate = run.unlimited = false;
	}
	return answer;
}
