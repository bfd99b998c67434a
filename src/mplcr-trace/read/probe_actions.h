/* SPDX-License-Identifier: MIT */
/* What the lines of probes do, and what is kept between them: for the table in probes.c. */
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

	bool commanded;      /* the command was seen, the state that it leads to not yet */

	/* Where in the stream the log is. */
	bool iterating;      /* sections are those of a round of saving memory, not devices */
	bool named;          /* the held section is that of a device: its vmstate_save was seen */
	bool ended;          /* the held section has ended: what comes is not in it */
	bool sections;       /* the log has lines of sections */
	int64_t iterable[PROBES_ITERABLE]; /* numbers of sections that were seen in rounds */
	size_t n_iterable;
};

/* What is done with the lines of the table, see rule_action in rules.h. */
rule_action probe_command, probe_set_state, probe_vm_stopped, probe_vm_runs;
rule_action probe_state_header, probe_iterate, probe_live_stage_over, probe_vm_stop;
rule_action probe_transferred, probe_pending_exact, probe_pending_estimate, probe_sync_begins, probe_sync_ends;
rule_action probe_section_begins, probe_section_ends, probe_device_saved, probe_device_time;

#endif
