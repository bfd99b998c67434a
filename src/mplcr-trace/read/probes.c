/* SPDX-License-Identifier: MIT */
/*
 * The probes of QEMU's migration code (migration/trace-events in QEMU's source, 2.9 to 10.0): a probe keeps its name,
 * but its arguments differ between versions and between QEMU's own log and the SystemTap script of the seed trace. One
 * table reads both logs.
 */
#include "read/probes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "read/probe_actions.h"

/* --- the table -------------------------------------------------------------------------------------------------- */

/* clang-format off: rows of a table */
/* Rules of one name are adjacent; the first match counts. A name ends at a blank or a brace. */
static const struct rule rules[] = {
	{ "qmp_migrate uri:{uri}", EVENT_setup, "migrate", probe_command },
	{ "migrate_set_state new state {status}", EVENT_setup, "state", probe_set_state },
	{ "migrate_set_state{}", CONTEXT, NULL, NULL },
	{ "fd_start_outgoing_migration fdname:{uri}", EVENT_setup, "connect", NULL },
	{ "migration_exec_outgoing cmd={uri}", EVENT_setup, "connect", NULL },
	{ "migration_fd_outgoing fd={uri}", EVENT_setup, "connect", NULL },
	{ "migration_file_outgoing filename={uri}", EVENT_setup, "connect", NULL },
	{ "migration_socket_outgoing_connected hostname={uri}", EVENT_setup, "connect", NULL },
	{ "migrate_fd_connect s={}.bandwidth_limit={bandwidth_limit_bytes_per_second},{}", EVENT_setup, "connect",
	  NULL },
	{ "migrate_fd_connect{}", EVENT_setup, "connect", NULL },
	{ "savevm_state_header", EVENT_setup, "header", probe_state_header },
	{ "savevm_state_begin", EVENT_setup, "begin", NULL },
	{ "savevm_state_setup", EVENT_setup, "begin", NULL },
	{ "enter bitmap_set start:{} nr:{total_pages} map:{}", EVENT_setup, "bitmap", NULL },
	{ "end bitmap_set{}", CONTEXT, NULL, NULL },
	{ "begin probe{}", CONTEXT, NULL, NULL },
	{ "migration_thread_setup_complete", EVENT_setup, "complete", NULL },

	{ "savevm_state_iterate", EVENT_iteration, NULL, probe_iterate },
	{ "migrate_pending pending_size:{pending_bytes} max_size:{threshold_bytes} pend_post:{postcopy_bytes} "
	  "pend_nonpost:{precopy_bytes}",
	  EVENT_pending, NULL, NULL },
	{ "migrate_pending pending size {pending_bytes} max {threshold_bytes} (pre = {precopy_bytes} compat={} "
	  "post={postcopy_bytes})",
	  EVENT_pending, NULL, NULL },
	{ "migrate_pending pending size {pending_bytes} max {threshold_bytes} (post={postcopy_bytes} "
	  "nonpost={precopy_bytes})",
	  EVENT_pending, NULL, NULL },
	{ "migrate_pending", CONTEXT, NULL, NULL },
	{ "migrate_pending_exact exact pending size {pending_bytes} (pre = {precopy_bytes} post={postcopy_bytes})",
	  EVENT_pending, NULL, probe_pending_exact },
	{ "migrate_pending_estimate estimate pending size {pending_bytes} (pre = {precopy_bytes} "
	  "post={postcopy_bytes})",
	  EVENT_pending, NULL, probe_pending_estimate },

	{ "migrate_transferred transterred_bytes:{transferred_bytes} time_spent:{spent_ms} "
	  "bandwidth:{logged_bandwidth} max_size:{threshold_bytes}",
	  EVENT_transferred, NULL, probe_transferred },
	{ "migrate_transferred transferred_bytes:{transferred_bytes} time_spent:{spent_ms} "
	  "bandwidth:{logged_bandwidth} max_size:{threshold_bytes}",
	  EVENT_transferred, NULL, probe_transferred },
	{ "migrate_transferred transferred {transferred_bytes} time_spent {spent_ms} "
	  "bandwidth {bandwidth_bytes_per_second} max_size {threshold_bytes}",
	  EVENT_transferred, NULL, probe_transferred },
	{ "migrate_transferred transferred {transferred_bytes} time_spent {spent_ms} "
	  "bandwidth {bandwidth_bytes_per_second} switchover_bw {} max_size {threshold_bytes}",
	  EVENT_transferred, NULL, probe_transferred },
	{ "migrate_transferred", CONTEXT, NULL, NULL },
	{ "migration_transferred_bytes qemu_file {total_transferred_bytes} multifd {} RDMA {}", EVENT_transferred, NULL,
	  NULL },

	{ "migration_bitmap_sync", EVENT_sync, NULL, probe_sync_begins },
	{ "migration_bitmap_sync_start", EVENT_sync, NULL, probe_sync_begins },
	{ "migration_bitmap_sync_end dirty_pages {period_dirty_pages}", EVENT_sync, NULL, probe_sync_ends },
	{ "migration_bitmap_sync_end", EVENT_sync, NULL, probe_sync_ends },

	{ "migration_throttle", EVENT_throttle, NULL, NULL },
	{ "cpu_throttle_set set guest CPU throttled by {throttle_percent}%", EVENT_throttle, NULL, NULL },
	{ "migration_dirty_limit_guest{}", EVENT_throttle, NULL, NULL },

	{ "migration_thread_low_pending {pending_bytes}", EVENT_switchover, NULL, probe_live_stage_over },
	{ "migration_thread_low_pending", EVENT_switchover, NULL, probe_live_stage_over },
	{ "savevm_send_switchover_start", EVENT_switchover, NULL, probe_live_stage_over },
	{ "savevm_state_complete_precopy", EVENT_stop, NULL, probe_live_stage_over },
	{ "migration_completion_vm_stop{}", EVENT_stop, NULL, probe_vm_stop },
	{ "vm_state_notify running 0 {}", EVENT_stop, NULL, probe_vm_stopped },
	{ "vm_state_notify running 1 {}", EVENT_resume, NULL, probe_vm_runs },
	{ "vm_state_notify{}", CONTEXT, NULL, NULL },

	{ "savevm_section_start {name}, section_id {section}", EVENT_vmstate, NULL, probe_section_begins },
	{ "savevm_section_start", EVENT_vmstate, NULL, probe_section_begins },
	{ "savevm_section_end{}", CONTEXT, NULL, probe_section_ends },
	{ "savevm_section_skip{}", CONTEXT, NULL, NULL },
	{ "vmstate_save {name}, {description}", EVENT_vmstate, NULL, probe_device_saved },
	{ "vmstate_save", EVENT_vmstate, NULL, probe_device_saved },
	{ "vmstate_downtime_save type=iterable idstr={name} instance_id={instance} downtime={spent_ms}",
	  EVENT_transferred, NULL, probe_device_time },
	{ "vmstate_downtime_save type=non-iterable idstr={name} instance_id={instance} downtime={spent_ms}",
	  EVENT_vmstate, NULL, probe_device_time },

	{ "migrate_fd_error error={text}", EVENT_step, "error", NULL },
	{ "migrate_error error={text}", EVENT_step, "error", NULL },
	{ "migration_thread_file_err", EVENT_step, "error", NULL },
	{ "migration_thread_after_loop", EVENT_done, NULL, reader_emit_once },
};
/* clang-format on */

#define RULES (sizeof(rules) / sizeof(rules[0]))

/* Known probes without an event; '*' matches the rest of a name. */
static const char *const quiet[] = {
	"cpu_throttle_dirty_sync",
	"migrate_fd_cancel",
	"migrate_fd_cleanup",
	"migrate_global_state_*",
	"migrate_handle_rp_req_pages",
	"migrate_send_rp_*",
	"migrate_state_too_big",
	"migration_bitmap_clear_dirty",
	"migration_block_*",
	"migration_cancel",
	"migration_cleanup",
	"migration_completion_*",
	"migration_exec_incoming",
	"migration_fd_incoming",
	"migration_file_incoming",
	"migration_pagecache_*",
	"migration_precopy_complete",
	"migration_rate_limit_*",
	"migration_return_path_*",
	"migration_set_incoming_channel",
	"migration_set_outgoing_channel",
	"migration_socket_incoming_accepted",
	"migration_socket_outgoing_error",
	"migration_tls_*",
	"qemu_savevm_*",
	"ram_block_discard_range",
	"ram_dirty_bitmap_*",
	"ram_discard_range",
	"ram_load_*",
	"ram_postcopy_*",
	"ram_save_*",
	"ram_state_resume_prepare",
	"ram_write_tracking_*",
	"runstate_set",
	"savevm_command_send",
	"savevm_send_*",
	"savevm_state_cleanup",
	"savevm_state_resume_prepare",
	"vmstate_downtime_*",
	"vmstate_save_*",
	"vmstate_subsection_save_*",
};

/* --- finding a rule --------------------------------------------------------------------------------------------- */

_Static_assert(RULES <= PROBES_RULES, "struct probes has a name for each rule");

/* The first word. */
static struct text name_of(struct text line)
{
	const char *blank = memchr(line.start, ' ', line.length);

	return (struct text){ line.start, blank ? (size_t)(blank - line.start) : line.length };
}

static struct text name_of_rule(size_t i)
{
	return (struct text){ rules[i].pattern, strcspn(rules[i].pattern, " {") };
}

/* Names of the same length differ at the end and in the middle. */
static size_t slot_of(struct text name)
{
	const unsigned char *s = (const unsigned char *)name.start;
	size_t n = name.length, sum = 131 * n;

	if (n > 0)
		sum += s[0] + 7u * s[n - 1] + 31u * s[n / 2] + 61u * s[n * 3 / 4];
	return sum & (PROBES_SLOTS - 1);
}

/* The slot of the name, or the empty slot for it. */
static size_t find_slot(const struct probes *p, struct text name)
{
	size_t slot = slot_of(name);

	while (p->table[slot] && !text_same(p->names[p->table[slot] - 1], name))
		slot = (slot + 1) & (PROBES_SLOTS - 1);
	return slot;
}

void probes_begin(struct reader *r)
{
	struct probes *p = memory_of(1, sizeof(*p));

	p->patterns = patterns_new(rules, RULES);
	for (size_t i = 0; i < RULES; i++) {
		size_t slot = find_slot(p, name_of_rule(i));

		p->names[i] = name_of_rule(i);
		if (!p->table[slot])
			p->table[slot] = (uint8_t)(i + 1);
	}
	r->own = p;
}

void probes_end(struct reader *r)
{
	struct probes *p = r->own;

	patterns_free(p->patterns);
	free(p);
}

static bool is_quiet(struct text name)
{
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		size_t n = strlen(quiet[i]);

		if (quiet[i][n - 1] == '*' ? name.length >= n - 1 && memcmp(name.start, quiet[i], n - 1) == 0
					   : text_is(name, quiet[i]))
			return true;
	}
	return false;
}

bool probes_know(struct text line)
{
	struct text name = name_of(line);

	if (!memchr(name.start, '_', name.length)) /* a word of ordinary text */
		return false;
	for (size_t i = 0; i < RULES; i++)
		if (text_same(name_of_rule(i), name))
			return true;
	return is_quiet(name);
}

int probes_read(struct reader *r, struct text line, struct err *e)
{
	const struct probes *p = r->own;
	struct text name = name_of(line);
	size_t first = p->table[find_slot(p, name)];

	for (size_t i = first - 1; first && i < RULES && text_same(p->names[i], name); i++) {
		const struct rule *rule = &rules[i];

		if (!pattern_match(p->patterns, i, line, &r->ev))
			continue;
		return rule_apply(r, rule, e);
	}
	return is_quiet(name);
}
