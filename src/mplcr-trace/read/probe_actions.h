/* SPDX-License-Identifier: MIT */
/* The actions for lines of probes and the state between lines, for the table in probes.c. */
#ifndef MPLCR_TRACE_PROBE_ACTIONS_H
#define MPLCR_TRACE_PROBE_ACTIONS_H

#include "read/reader.h"
#include "read/rules.h"

#define PROBES_ITERABLE 16
#define PROBES_RULES 64 /* at most */
#define PROBES_SLOTS 256 /* of the table of names: a power of two, several times the rules */

struct probes {
	struct patterns *patterns;
	struct text names[PROBES_RULES];
	uint8_t table[PROBES_SLOTS]; /* hash of a name -> number of the first rule of that name, plus 1 */

	bool commanded; /* the command was seen, its first state not yet */

	/* The log's position in the stream. */
	bool iterating;      /* sections belong to a round of saving memory, not to devices */
	bool named;          /* the held section is a device's: its vmstate_save was seen */
	bool ended;          /* the held section has ended: later lines are not in it */
	bool sections;       /* the log has lines of sections */
	int64_t iterable[PROBES_ITERABLE]; /* numbers of sections seen in rounds */
	size_t n_iterable;
};

/* The actions of the table's rules, see rule_action in rules.h. */
rule_action probe_command, probe_set_state, probe_vm_stopped, probe_vm_runs;
rule_action probe_state_header, probe_iterate, probe_live_stage_over, probe_vm_stop;
rule_action probe_transferred, probe_pending_exact, probe_pending_estimate, probe_sync_begins, probe_sync_ends;
rule_action probe_section_begins, probe_section_ends, probe_device_saved, probe_device_time;

#endif
