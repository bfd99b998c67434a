/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "standin.h"

const struct mplm mplm_defaults = { .enable = true, .first_nondirty = true, .relax = true, .interval = 3, .dirty = 50 };
struct patch patch = { .mplm = { .enable = true } };

static json_t *switched(bool *flag, bool value, const char *text)
{
	*flag = value;
	say("%s\n", text);
	return answer_done();
}

json_t *do_live_checkpointing_enable(json_t *arguments)
{
	(void)arguments;
	return switched(&patch.live, true, "Enable live checkpointing. After finishes, it will be disable.");
}

json_t *do_live_checkpointing_disable(json_t *arguments)
{
	(void)arguments;
	return switched(&patch.live, false, "Disable live checkpointing.");
}

json_t *do_enable_max_rate(json_t *arguments)
{
	(void)arguments;
	return switched(&patch.max_rate, true, "Enable max migration rate limit = 9223372036854775807.");
}

json_t *do_disable_max_rate(json_t *arguments)
{
	(void)arguments;
	return switched(&patch.max_rate, false,
			"Disable max migration rate limit (to default value or whatever user previously define).");
}

static json_t *extend(bool extended, const char *text)
{
	json_t *answer = switched(&patch.extended, extended, text);

	settings_parameters();
	return answer;
}

json_t *do_set_mplm_extend_live(json_t *arguments)
{
	(void)arguments;
	return extend(true, "Enable live migration extension capability! set extension var to 1.");
}

json_t *do_set_mplm_end_live(json_t *arguments)
{
	(void)arguments;
	return extend(false, "End live migration extension capability! set extension var to 0.");
}

/* What is wrong with an argument, as an answer, or NULL. */
static json_t *check(const json_t *arguments, const char *name, json_type type)
{
	const json_t *value = json_object_get(arguments, name);

	if (!value)
		return answer_error("Parameter '%s' is missing", name);
	if (type == JSON_INTEGER ? json_is_integer(value) : json_is_boolean(value))
		return NULL;
	return answer_error("Invalid parameter type for '%s', expected: %s", name,
			    type == JSON_INTEGER ? "integer" : "boolean");
}

json_t *do_set_mplm_migration(json_t *arguments)
{
	json_t *fault = NULL;
	struct mplm m;

	if ((fault = check(arguments, "enable", JSON_TRUE)) || (fault = check(arguments, "firstnondirty", JSON_TRUE)) ||
	    (fault = check(arguments, "intervaltime", JSON_INTEGER)) ||
	    (fault = check(arguments, "relaxlivemig", JSON_TRUE)) ||
	    (fault = check(arguments, "dirtypercents", JSON_INTEGER)))
		return fault;
	m = (struct mplm){ .enable = json_is_true(json_object_get(arguments, "enable")),
			   .first_nondirty = json_is_true(json_object_get(arguments, "firstnondirty")),
			   .relax = json_is_true(json_object_get(arguments, "relaxlivemig")),
			   .interval = json_integer_value(json_object_get(arguments, "intervaltime")),
			   .dirty = json_integer_value(json_object_get(arguments, "dirtypercents")) };
	patch.mplm = m;
	patch.mplm_given = true;
	if (m.enable)
		say("MPLM enabled %s interval %lld and relax = %d\n and %lld percents of dirty pages per cycle\n",
		    m.first_nondirty ? "with firstnondirty flag and" : "WITHOUT firstnondirty flag",
		    (long long)m.interval, m.relax, (long long)m.dirty);
	else
		say("MPLM disabled: Pre-copy mechanism is used.\n");
	return answer_done();
}

/* The path is cut without a word. */
json_t *do_script(json_t *arguments)
{
	const char *path = json_string_value(json_object_get(arguments, "uri"));

	if (!path)
		return answer_error("Parameter 'uri' is missing");
	if (!patch.mplm.enable || !patch.live)
		return answer_error("Error! script only allowed with MPLCR enabled");
	patch.script_given = true;
	snprintf(patch.script, sizeof(patch.script), "%s", path);
	say("qmp_post_checkpointing: defining post checkpointing script (usually used for creating btrfs "
	    "snapshots).\nqmp_post_checkpointing: script = %s\n",
	    patch.script);
	return answer_done();
}

/* --- the queue -------------------------------------------------------------------------------------------------- */

/* Any fault is told in the same odd words. */
static const char *queue_fault(const char *text)
{
	say("%s", text);
	return "Parameter 'snapshot-file' is missing\r\n";
}

static const char *queue_add(const char *device, const char *file, const char *format)
{
	struct queued *q = &patch.queue[patch.n_queued];

	if (patch.n_queued >= MAX_QUEUED)
		return queue_fault("too many mplcr snapshot items\n");
	if (!file)
		return queue_fault("");
	if (strlen(device) >= MAX_LENGTH)
		return queue_fault("device name too long\n");
	if (strlen(file) >= MAX_LENGTH)
		return queue_fault("filename name too long\n");
	if (!format) /* it looks at the length of what is not there */
		qemu_crash(SIGSEGV);
	if (strlen(format) >= MAX_LENGTH)
		return queue_fault("format name too long\n");
	strcpy(q->device, device);
	strcpy(q->file, file);
	strcpy(q->format, format);
	patch.n_queued++;
	say("mplcr: device name is %s\nmplcr: filename is %s\nmplcr: format is %s\n", device, file, format);
	return "";
}

/* The next word as the monitor reads it, up to a blank or in quotes with escapes: malloc'd, or NULL. */
static char *next_word(const char **p)
{
	char *word, *to;
	bool quoted;

	*p += strspn(*p, " \t");
	if (!**p)
		return NULL;
	word = to = calloc(1, strlen(*p) + 1);
	if (!word)
		die("memory");
	quoted = **p == '"';
	*p += quoted;
	while (**p && !strchr(quoted ? "\"" : " \t", **p)) {
		if (quoted && **p == '\\' && (*p)[1])
			++*p;
		*to++ = *(*p)++;
	}
	*p += quoted && **p;
	return word;
}

#define QUEUE_COMMAND "snapshot_blkdev_mplcr"

json_t *do_human_monitor_command(json_t *arguments)
{
	const char *p = text_of(arguments, "command-line"), *said;
	char *words[4];

	if (strncmp(p, QUEUE_COMMAND " ", sizeof(QUEUE_COMMAND)) != 0)
		return qemu_ask("human-monitor-command", json_incref(arguments));
	for (size_t i = 0; i < 4; i++)
		words[i] = next_word(&p);
	said = words[1] ? queue_add(words[1], words[2], words[3]) : QUEUE_COMMAND ": block device name expected\r\n";
	for (size_t i = 0; i < 4; i++)
		free(words[i]);
	return answer_text(said);
}
