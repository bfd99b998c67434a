/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "standin.h"

pid_t qemu_pid;
static struct end qemu;
static json_t *reply; /* that qemu_ask waits for */

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

const struct end *qemu_connect(const char *path)
{
	char *line;

	while (!end_connect(&qemu, path))
		usleep(2000);
	while ((line = end_line(&qemu)) == NULL)
		if (!end_read(&qemu))
			exit(0);
	greeting = json_loads(line, 0, NULL);
	free(line);
	qemu_tell("qmp_capabilities", NULL);
	return &qemu;
}

void qemu_hear(void)
{
	char *line;

	if (!end_read(&qemu))
		exit(0);
	while ((line = end_line(&qemu)) != NULL) {
		json_t *message = json_loads(line, 0, NULL);

		if (!json_object_get(message, "event"))
			reply = json_incref(message);
		else if (migration_event(message))
			client_tell(message);
		json_decref(message);
		free(line);
	}
}

json_t *qemu_ask_passing(const char *command, json_t *arguments, int passed)
{
	json_t *request = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments), *answer;

	end_say_json(&qemu, request, passed);
	json_decref(request);
	while (!reply)
		qemu_hear();
	answer = reply;
	reply = NULL;
	return answer;
}

json_t *qemu_ask(const char *command, json_t *arguments)
{
	return qemu_ask_passing(command, arguments, -1);
}

void qemu_tell(const char *command, json_t *arguments)
{
	json_decref(qemu_ask(command, arguments));
}

void qemu_crash(int number)
{
	kill(qemu_pid, number);
	for (;;) /* PR_SET_PDEATHSIG */
		pause();
}
