/* SPDX-License-Identifier: MIT */
/*
 * The commands of the MPLCR patch (QEMU 2.9, github.com/kasidit/qemu-mplm: qapi-schema.json, migration/migration.c).
 * Its settings are global variables of QEMU that no command shows, so what we switch on is on the list of changes until
 * we have switched it off.
 */
#include "patched/commands.h"
#include "changes.h"
#include "patched/mplm.h"
#include "patched/patched.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

/* All that the patch adds to QMP. */
static const char *const commands[] = {
	"live-checkpointing-enable",
	"live-checkpointing-disable",
	"set-mplm-migration",
	"set-mplm-extend-live",
	"set-mplm-end-live",
	"enable-max-migration-rate-limit",
	"disable-max-migration-rate-limit",
	"mplcr-post-checkpointing-script",
};

static bool has_command(const json_t *list, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (json_text(one, "name") && strcmp(json_text(one, "name"), name) == 0)
			return true;
	return false;
}

static void list_missing(const json_t *list, char *text, size_t size)
{
	size_t missing = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		size_t used = strlen(text);

		if (!has_command(list, commands[i]))
			snprintf(text + used, size - used, "%s%s", missing++ ? ", " : "", commands[i]);
	}
}

int patch_missing(struct qmp *q, char *text, size_t size, struct err *e)
{
	_cleanup_json_ json_t *list = NULL;

	if (qmp_run(q, "query-commands", NULL, &list, e) < 0)
		return -1;
	list_missing(list, text, size);
	return 0;
}

/*
 * The patch keeps these for one migration. Without them, it sends memory in its own way even where no checkpoint was
 * asked for, which can spin for ever at a high rate: other engines switch that off.
 */
static json_t *mplm_settings(const struct mplm *m, bool enable)
{
	return json_of("{s:b, s:b, s:I, s:b, s:I}", "enable", enable, "firstnondirty", m->first_nondirty,
		       "intervaltime", (json_int_t)m->interval_s, "relaxlivemig", m->relax, "dirtypercents",
		       (json_int_t)m->dirty_percent);
}

int patch_set(struct changes *c, const struct mplm *m, bool enable, struct qmp *q, struct err *e)
{
	c->patch.mplm = true;
	if (changes_note(c, e) < 0)
		return -1;
	return qmp_run(q, "set-mplm-migration", mplm_settings(m, enable), NULL, e);
}

/* Runs one command of the patch, noted as on (or off again) in `flag`, which is one of `c`. */
static int turn(struct changes *c, struct qmp *q, const char *command, bool *flag, bool on, struct err *e)
{
	if (*flag == on)
		return 0;
	if (on)
		*flag = true;
	if (on && changes_note(c, e) < 0)
		return -1;
	if (qmp_run(q, command, NULL, NULL, e) < 0)
		return -1;
	*flag = on;
	return 0;
}

int patch_enable(struct changes *c, struct qmp *q, struct err *e)
{
	return turn(c, q, "live-checkpointing-enable", &c->patch.live, true, e);
}

int patch_extend_live(struct changes *c, struct qmp *q, struct err *e)
{
	return turn(c, q, "set-mplm-extend-live", &c->patch.extended, true, e);
}

int patch_end_live(struct changes *c, struct qmp *q, struct err *e)
{
	return turn(c, q, "set-mplm-end-live", &c->patch.extended, false, e);
}

int patch_max_rate(struct changes *c, struct qmp *q, struct err *e)
{
	return turn(c, q, "enable-max-migration-rate-limit", &c->patch.max_rate, true, e);
}

json_t *patch_to_json(const struct changed_patch *p)
{
	return json_of("{s:b, s:b, s:b, s:b, s:b}", "live", p->live, "max_rate", p->max_rate, "extended", p->extended,
		       "mplm", p->mplm, "job", p->job[0] != '\0');
}

void patch_from_json(struct changed_patch *p, const json_t *json, const char *socket)
{
	*p = (struct changed_patch){
		.live = json_flag(json, "live"),
		.max_rate = json_flag(json, "max_rate"),
		.extended = json_flag(json, "extended"),
		.mplm = json_flag(json, "mplm"),
	};
	if (json_flag(json, "job"))
		snprintf(p->job, sizeof(p->job), "%s.mplcr/job", socket);
}

bool patch_any(const struct changed_patch *p)
{
	return p->live || p->max_rate || p->extended || p->mplm || p->job[0] || p->live_socket[0];
}

int patch_off(struct changes *c, struct qmp *q, struct err *e)
{
	static const struct mplm usual = MPLM_DEFAULT;
	struct changed_patch *p = &c->patch;
	int result = 0;

	if (patch_end_live(c, q, e) < 0)
		result = -1;
	if (turn(c, q, "live-checkpointing-disable", &p->live, false, e) < 0)
		result = -1;
	if (turn(c, q, "disable-max-migration-rate-limit", &p->max_rate, false, e) < 0)
		result = -1;
	if (p->mplm && qmp_run(q, "set-mplm-migration", mplm_settings(&usual, true), NULL, e) < 0)
		result = -1;
	p->mplm = false;
	return result;
}

void patch_settings_taken(struct changes *c)
{
	c->patch.mplm = false;
}

void patch_remove_live_socket(struct changes *c)
{
	if (c->patch.live_socket[0])
		unlink(c->patch.live_socket);
	c->patch.live_socket[0] = '\0';
}

/* The script may open a FIFO at this moment, and so make a file of that name anew: then once more. */
void patch_remove_files(struct changes *c)
{
	for (int i = 0; c->patch.job[0] && dir_remove(c->patch.job) < 0 && errno == ENOTEMPTY && i < 3;)
		i++;
	c->patch.job[0] = '\0';
	patch_remove_live_socket(c);
}

bool patch_is_stuck(const struct changes *c)
{
	return c->patch.stuck;
}
