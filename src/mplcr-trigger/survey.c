/* SPDX-License-Identifier: MIT */
#include "survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/json.h"

/* The time limit for a single question of the survey. */
#define SURVEY_MS 10000

/* Listing the nodes of deep chains takes QEMU longer: the time grows with the square of the depth. */
#define DISKS_MS 60000

static int read_run_state(struct survey *s, struct qmp *q, struct err *e)
{
	struct vm_status status;
	static const char *const usable[] = { "running", "paused", "prelaunch" };

	if (vm_status_read(q, &status, e) < 0)
		return -1;
	s->run_state = text_copy(status.state);
	s->running = status.running;
	for (size_t i = 0; i < sizeof(usable) / sizeof(usable[0]); i++)
		if (strcmp(s->run_state, usable[i]) == 0)
			return 0;
	err_set(e, "the VM is in the state '%s': only a running or paused VM can be checkpointed", s->run_state);
	if (strcmp(s->run_state, "postmigrate") == 0)
		return err_hint(e, "an earlier migration left it so: 'cont' resumes it");
	return -1;
}

/* Refuses a VM with a migration under way, or one that cannot be migrated. */
static int check_migration(struct qmp *q, struct err *e)
{
	static const char *const busy[] = {
		"setup",           "active",          "pre-switchover",   "device",      "cancelling",
		"postcopy-active", "postcopy-paused", "postcopy-recover", "wait-unplug", "colo"
	};
	_cleanup_json_ json_t *info = NULL;
	const char *status;
	json_t *reasons;

	if (qmp_run(q, "query-migrate", NULL, &info, e) < 0)
		return -1;
	status = json_text(info, "status");
	for (size_t i = 0; status && i < sizeof(busy) / sizeof(busy[0]); i++)
		if (strcmp(status, busy[i]) == 0) {
			err_set(e, "a migration of this VM is under way ('%s')", status);
			if (strcmp(status, "cancelling") == 0)
				return err_hint(e, "wait until it has ended; where an MPLCR-patched QEMU is stuck in "
						   "it, only its restart helps");
			return err_hint(e, "wait until it has ended, or end it with migrate_cancel");
		}
	reasons = json_object_get(info, "blocked-reasons");
	if (json_array_size(reasons) > 0) {
		const char *why = json_string_value(json_array_get(reasons, 0));

		err_set(e, "QEMU cannot save this VM: %s", why ? why : "no reason given");
		return err_hint(e, "remove what blocks it (a device without migration support, or an image feature)");
	}
	return 0;
}

static int check_jobs(struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *jobs = NULL;
	const char *device;

	if (qmp_run(q, "query-block-jobs", NULL, &jobs, e) < 0)
		return -1;
	if (json_array_size(jobs) == 0)
		return 0;
	device = json_text(json_array_get(jobs, 0), "device");
	err_set(e, "a block job (%s) runs on this VM", device ? device : "?");
	return err_hint(e, "wait until it has ended: query-block-jobs");
}

/* A property of the machine; NULL in *value if it has none of that name. */
static int read_property(struct qmp *q, const char *property, json_t **value, struct err *e)
{
	struct err refused;

	*value = NULL;
	if (qmp_run(q, "qom-get", json_of("{s:s, s:s}", "path", "/machine", "property", property), value, &refused) ==
		    0 ||
	    qmp_alive(q))
		return 0;
	*e = refused;
	return -1;
}

static int read_machine(struct survey *s, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *version = NULL;
	_cleanup_json_ json_t *kvm = NULL;
	_cleanup_json_ json_t *machine = NULL;
	_cleanup_json_ json_t *undescribed = NULL;
	const char *type;

	if (qmp_run(q, "query-version", NULL, &version, e) < 0 || qmp_run(q, "query-kvm", NULL, &kvm, e) < 0)
		return -1;
	if (read_property(q, "type", &machine, e) < 0 || read_property(q, "suppress-vmdesc", &undescribed, e) < 0)
		return -1;
	s->version = qmp_version(q);
	s->package = text_of("%s", json_text(version, "package") ? json_text(version, "package") : "");
	s->kvm = json_flag(kvm, "enabled");
	s->undescribed = json_is_true(undescribed);
	type = json_string_value(machine);
	if (!type)
		return err_set(e, "QEMU does not report its machine type");
	s->machine = text_of("%.*s", (int)(strlen(type) - (strstr(type, "-machine") ? strlen("-machine") : 0)), type);
	return 0;
}

static int read_migration_settings(struct survey *s, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *list = NULL;
	const json_t *one;
	size_t i;

	if (qmp_run(q, "query-migrate-capabilities", NULL, &list, e) < 0 ||
	    qmp_run(q, "query-migrate-parameters", NULL, &s->parameters, e) < 0)
		return -1;
	s->capabilities = json_object();
	json_array_foreach (list, i, one)
		if (json_text(one, "capability"))
			json_object_set_new(s->capabilities, json_text(one, "capability"),
					    json_boolean(json_flag(one, "state")));
	return 0;
}

static void read_process(struct survey *s, struct qmp *q)
{
	uint64_t used;

	vm_process_read(&s->process, q);
	used = s->process.proc.memory;
	s->populated = used > 0 && used < s->memory ? used : s->memory;
}

static int survey_disks(struct survey *s, struct qmp *q, struct err *e)
{
	struct vm_disks v;
	int result;

	qmp_set_deadline(q, clock_in_ms(DISKS_MS));
	result = vm_disks_read(&v, q, &s->process, e);
	qmp_set_deadline(q, clock_in_ms(SURVEY_MS));

	s->disks = v.disks;
	s->n_disks = v.n_disks;
	s->nodes = v.nodes;
	s->n_nodes = v.n_nodes;
	return result;
}

int survey_vm(struct survey *s, struct engines *all, const char *socket, struct qmp *q, struct changes *c,
	      struct err *e)
{
	*s = (struct survey){ 0 };
	qmp_set_deadline(q, clock_in_ms(SURVEY_MS));
	if (read_machine(s, q, e) < 0 || read_run_state(s, q, e) < 0 || check_migration(q, e) < 0 ||
	    check_jobs(q, e) < 0)
		return -1;
	if (survey_memory(s, q, e) < 0 || read_migration_settings(s, q, e) < 0)
		return -1;
	read_process(s, q);
	if (survey_disks(s, q, e) < 0 || engines_probe(all, s, socket, q, c, e) < 0)
		return -1;
	qmp_set_deadline(q, CLOCK_NEVER);
	return 0;
}

void survey_release(struct survey *s)
{
	struct vm_disks disks = { s->disks, s->n_disks, s->nodes, s->n_nodes };

	vm_disks_release(&disks);
	for (size_t i = 0; i < s->n_ram; i++)
		free(s->ram[i]);
	free(s->ram);
	free(s->memory_file);
	json_decref(s->capabilities);
	json_decref(s->parameters);
	free(s->package);
	free(s->machine);
	free(s->run_state);
	vm_process_release(&s->process);
}
