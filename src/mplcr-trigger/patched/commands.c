/* SPDX-License-Identifier: MIT */
/*
 * The commands of the MPLCR patch (QEMU 2.9, github.com/kasidit/qemu-mplm: qapi-schema.json, migration/migration.c).
 * Its settings are global variables of QEMU that no command shows, so what we switch on is on the list of changes until
 * we have switched it off.
 */
#include "patched/patched.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "qemu/versions.h"

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

	json_array_foreach(list, i, one)
		if (json_text(one, "name") && strcmp(json_text(one, "name"), name) == 0)
			return true;
	return false;
}

/* The commands that QEMU lacks, as a list in words. Returns how many there are. */
static size_t list_missing(const json_t *list, char *text, size_t size)
{
	size_t missing = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		size_t used = strlen(text);

		if (!has_command(list, commands[i]))
			snprintf(text + used, size - used, "%s%s", missing++ ? ", " : "", commands[i]);
	}
	return missing;
}

int patch_survey(struct survey *s, const char *socket, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *list = NULL;
	char missing[400];

	if (qmp_run(q, "query-commands", NULL, &list, e) < 0)
		return -1;
	if (list_missing(list, missing, sizeof(missing)) > 0) {
		snprintf(s->mplcr_refusal, sizeof(s->mplcr_refusal), "this QEMU lacks the MPLCR patch: it has no %s",
			 missing);
		return 0;
	}
	s->patched = true;
	if (sticky_load(&s->sticky, socket, s->process.pid, e) < 0)
		return -1;
	if (!s->kvm && s->version < QEMU_TCG_DIRTY_BITMAP) {
		s->mplcr_unsafe = true;
		snprintf(s->mplcr_refusal, sizeof(s->mplcr_refusal),
			 "under TCG, QEMU before 9.0 loses guest writes in its live stage (this is %d.%d)",
			 s->version / 10000, s->version / 100 % 100);
	}
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
	return qmp_run(q, "set-mplm-migration", mplm_settings(m, enable), NULL, e);
}

/* Runs one command of the patch, noted as on (or off again) in `flag`. */
static int turn(struct qmp *q, const char *command, bool *flag, bool on, struct err *e)
{
	if (*flag == on)
		return 0;
	if (on)
		*flag = true;
	if (qmp_run(q, command, NULL, NULL, e) < 0)
		return -1;
	*flag = on;
	return 0;
}

int patch_enable(struct changes *c, struct qmp *q, struct err *e)
{
	return turn(q, "live-checkpointing-enable", &c->patch.live, true, e);
}

int patch_extend_live(struct changes *c, struct qmp *q, struct err *e)
{
	return turn(q, "set-mplm-extend-live", &c->patch.extended, true, e);
}

int patch_end_live(struct changes *c, struct qmp *q, struct err *e)
{
	return turn(q, "set-mplm-end-live", &c->patch.extended, false, e);
}

int patch_max_rate(struct changes *c, struct qmp *q, struct err *e)
{
	return turn(q, "enable-max-migration-rate-limit", &c->patch.max_rate, true, e);
}

bool patch_any(const struct changed_patch *p)
{
	return p->live || p->max_rate || p->extended || p->mplm || p->job[0];
}

int patch_off(struct changes *c, struct qmp *q, struct err *e)
{
	static const struct mplm usual = MPLM_DEFAULT;
	struct changed_patch *p = &c->patch;
	int result = 0;

	if (patch_end_live(c, q, e) < 0)
		result = -1;
	if (turn(q, "live-checkpointing-disable", &p->live, false, e) < 0)
		result = -1;
	if (turn(q, "disable-max-migration-rate-limit", &p->max_rate, false, e) < 0)
		result = -1;
	if (p->mplm && qmp_run(q, "set-mplm-migration", mplm_settings(&usual, true), NULL, e) < 0)
		result = -1;
	p->mplm = false;
	return result;
}
