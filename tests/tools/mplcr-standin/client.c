/* SPDX-License-Identifier: MIT */
#include <stdarg.h>

#include "standin.h"

struct end client = { .fd = -1, .passed = -1 };
json_t *greeting;
static bool negotiated;

/* --- answers ---------------------------------------------------------------------------------------------------- */

json_t *answer_done(void)
{
	return json_pack("{s:{}}", "return");
}

json_t *answer_text(const char *text)
{
	return json_pack("{s:s}", "return", text);
}

json_t *answer_error(const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return json_pack("{s:{s:s, s:s}}", "error", "class", "GenericError", "desc", text);
}

void client_tell(const json_t *message)
{
	if (negotiated)
		end_say_json(&client, message, -1);
}

void client_tell_event(const char *name, json_t *data)
{
	struct timespec now;
	json_t *event;

	clock_gettime(CLOCK_REALTIME, &now);
	event = json_pack("{s:s, s:o, s:{s:I, s:I}}", "event", name, "data", data, "timestamp", "seconds",
			  (json_int_t)now.tv_sec, "microseconds", (json_int_t)now.tv_nsec / 1000);
	client_tell(event);
	json_decref(event);
}

/* --- commands --------------------------------------------------------------------------------------------------- */

static json_t *do_qmp_capabilities(json_t *arguments)
{
	(void)arguments;
	negotiated = true;
	return answer_done();
}

static json_t *do_query_version(json_t *arguments)
{
	(void)arguments;
	return json_pack("{s:O}", "return", json_object_get(json_object_get(greeting, "QMP"), "version"));
}

static json_t *do_getfd(json_t *arguments)
{
	return qemu_ask_passing("getfd", json_incref(arguments), client.passed);
}

/* 2.9 does not name the guest's devices. */
static json_t *do_query_block(json_t *arguments)
{
	json_t *answer = qemu_ask("query-block", json_incref(arguments)), *one;
	size_t i;

	json_array_foreach (json_object_get(answer, "return"), i, one)
		if (!options.all_capabilities)
			json_object_del(one, "qdev");
	return answer;
}

static handler do_query_commands;

static const struct command {
	const char *name;
	handler *run;
	bool added; /* QEMU itself does not have it */
} commands[] = {
	{ "set-mplm-migration", do_set_mplm_migration, true },
	{ "set-mplm-extend-live", do_set_mplm_extend_live, true },
	{ "set-mplm-end-live", do_set_mplm_end_live, true },
	{ "live-checkpointing-enable", do_live_checkpointing_enable, true },
	{ "live-checkpointing-disable", do_live_checkpointing_disable, true },
	{ "enable-max-migration-rate-limit", do_enable_max_rate, true },
	{ "disable-max-migration-rate-limit", do_disable_max_rate, true },
	{ "mplcr-post-checkpointing-script", do_script, true },
	{ "human-monitor-command", do_human_monitor_command, false },
	{ "migrate", do_migrate, false },
	{ "migrate_cancel", do_migrate_cancel, false },
	{ "query-migrate", do_query_migrate, false },
	{ "query-migrate-capabilities", do_query_migrate_capabilities, false },
	{ "migrate-set-capabilities", do_migrate_set_capabilities, false },
	{ "query-migrate-parameters", do_query_migrate_parameters, false },
	{ "migrate-set-parameters", do_migrate_set_parameters, false },
	{ "closefd", do_closefd, false },
	{ "getfd", do_getfd, false },
	{ "qmp_capabilities", do_qmp_capabilities, false },
	{ "query-version", do_query_version, false },
	{ "query-block", do_query_block, false },
	{ "query-commands", do_query_commands, false },
};

/* Commands that 2.9 lacks, of those that one could miss. */
static bool is_later(const char *name)
{
	static const char *const later[] = { "migrate-continue", "calc-dirty-rate", "query-dirty-rate",
					     "query-cpus-fast", "snapshot-save" };

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (strcmp(later[i], name) == 0)
			return !options.all_capabilities;
	return false;
}

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static json_t *do_query_commands(json_t *arguments)
{
	json_t *answer = qemu_ask("query-commands", json_incref(arguments)), *shown = json_array(), *one;
	size_t i;

	json_array_foreach (json_object_get(answer, "return"), i, one)
		if (!is_later(text_of(one, "name")))
			json_array_append(shown, one);
	for (i = 0; i < N_COMMANDS; i++)
		if (commands[i].added)
			json_array_append_new(shown, json_pack("{s:s}", "name", commands[i].name));
	json_object_set_new(answer, "return", shown);
	return answer;
}

static json_t *answer_to(const char *name, json_t *arguments)
{
	if (!negotiated && strcmp(name, "qmp_capabilities") != 0)
		return answer_error("Expecting capabilities negotiation with 'qmp_capabilities'");
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(arguments);
	if (is_later(name))
		return answer_error("The command %s has not been found", name);
	return qemu_ask(name, json_incref(arguments));
}

/* --- the connection --------------------------------------------------------------------------------------------- */

/* A line that is not JSON, such as a half one and the control byte by which a client starts anew, is an error. */
static void take_line(const char *line)
{
	json_t *message = json_loads(line, 0, NULL), *answer;
	const char *command = text_of(message, "execute");

	answer = command[0] ? answer_to(command, json_object_get(message, "arguments"))
			    : answer_error("JSON parse error");
	if (json_object_get(message, "id"))
		json_object_set(answer, "id", json_object_get(message, "id"));
	end_say_json(&client, answer, -1);
	end_drop_passed(&client);
	json_decref(answer);
	json_decref(message);
}

void client_accept(int listener)
{
	end_accept(&client, listener);
	negotiated = false;
	end_say_json(&client, greeting, -1);
}

void client_hear(void)
{
	char *line;

	if (!end_read(&client)) {
		end_close(&client);
		negotiated = false;
		return;
	}
	while ((line = end_line(&client)) != NULL) {
		take_line(line);
		migration_follow();
		free(line);
	}
}
