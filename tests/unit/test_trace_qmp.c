/* SPDX-License-Identifier: MIT */
/* mplcr-trace: what goes over a QMP connection, as events. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "mplcr-trace/read/qmp.h"
#include "tap.h"

static char seen[4096];

/* "kind:checkpoint" of each event, and the status where it has one. */
static int note(void *ctx, const struct event *ev, struct err *e)
{
	char one[128];

	(void)ctx;
	(void)e;
	snprintf(one, sizeof(one), "%s%s:%d", seen[0] ? " " : "", event_name(ev->kind), (int)ev->checkpoint);
	strncat(seen, one, sizeof(seen) - strlen(seen) - 1);
	if (event_has(ev, FIELD_status)) {
		snprintf(one, sizeof(one), "=%.*s", (int)ev->at[FIELD_status].text.length,
			 ev->at[FIELD_status].text.start);
		strncat(seen, one, sizeof(seen) - strlen(seen) - 1);
	}
	return 0;
}

/* Feeds the objects, one a line, '<' or '>' before each. */
static void gives(const char *what, const char *lines, const char *expected)
{
	struct qmp_events *q = qmp_events_new(note, NULL);
	double ms = 0;
	struct err e;

	seen[0] = '\0';
	while (*lines) {
		size_t n = strcspn(lines, "\n");
		json_t *object = json_loadb(lines + 1, n - 1, 0, NULL);

		if (!object || qmp_events_feed(q, ++ms, 1, lines[0], object, &e) < 0)
			abort();
		json_decref(object);
		lines += n + (lines[n] == '\n');
	}
	qmp_events_free(q);
	ok(strcmp(seen, expected) == 0, "%s: %s", what, seen);
}

#define MIGRATION(status) "<{\"event\":\"MIGRATION\",\"data\":{\"status\":\"" status "\"}}\n"
#define ACTIVE "<{\"return\":{\"status\":\"active\",\"ram\":{\"transferred\":1,\"remaining\":2}}}\n"
#define COMPLETED "<{\"return\":{\"status\":\"completed\",\"total-time\":9,\"ram\":{\"transferred\":1}}}\n"

int main(void)
{
	gives("a migration of long ago", "<{\"return\":{}}\n" COMPLETED MIGRATION("completed"), "");
	gives("somebody else's, with events",
	      MIGRATION("setup") MIGRATION("active") ACTIVE MIGRATION("completed") COMPLETED COMPLETED,
	      "setup:1=setup setup:1=active transferred:1 pending:1 done:1=completed transferred:1");
	gives("somebody else's, without events", ACTIVE ACTIVE COMPLETED COMPLETED,
	      "setup:1=active transferred:1 pending:1 transferred:1 pending:1 done:1=completed");
	gives("one after the other", ACTIVE COMPLETED ACTIVE MIGRATION("failed") MIGRATION("setup"),
	      "setup:1=active transferred:1 pending:1 done:1=completed setup:2=active transferred:2 pending:2 "
	      "done:2=failed setup:3=setup");
	gives("ours: stopped first",
	      "<{\"event\":\"STOP\"}\n>{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"x\"}}\n" MIGRATION(
		      "setup") "<{\"event\":\"RESUME\"}\n" MIGRATION("completed") "<{\"event\":\"STOP\"}\n",
	      "stop:1 setup:1 setup:1=setup resume:1 done:1=completed stop:2");
	gives("passes: the last is the rest, not a round",
	      MIGRATION("setup") "<{\"event\":\"MIGRATION_PASS\",\"data\":{\"pass\":1}}\n"
				 "<{\"event\":\"MIGRATION_PASS\",\"data\":{\"pass\":2}}\n<{\"event\":\"STOP\"}\n"
				 "<{\"event\":\"MIGRATION_PASS\",\"data\":{\"pass\":3}}\n" MIGRATION("pre-switchover")
					 MIGRATION("device"),
	      "setup:1=setup iteration:1 iteration:1 stop:1 switchover:1=pre-switchover");
	gives("disks are frozen when the answer comes",
	      ">{\"execute\":\"transaction\",\"id\":7,\"arguments\":{\"actions\":[{\"data\":{\"device\":\"a\","
	      "\"snapshot-file\":\"a\"}},{\"data\":{}},{\"data\":{\"node-name\":\"b\",\"snapshot-file\":\"b\"}}]}}\n"
	      "<{\"return\":{},\"id\":6}\n<{\"return\":{},\"id\":7}\n<{\"return\":{},\"id\":7}\n",
	      "freeze:1 freeze:1");
	gives("and not when it is an error",
	      ">{\"execute\":\"transaction\",\"id\":7,\"arguments\":{\"actions\":[{\"data\":{\"device\":\"a\","
	      "\"snapshot-file\":\"a\"}}]}}\n<{\"error\":{},\"id\":7}\n",
	      "");
	gives("a throttle that changes",
	      "<{\"return\":{\"status\":\"active\",\"cpu-throttle-percentage\":20,\"ram\":{}}}\n"
	      "<{\"return\":{\"status\":\"active\",\"cpu-throttle-percentage\":20,\"ram\":{}}}\n"
	      "<{\"return\":{\"status\":\"active\",\"cpu-throttle-percentage\":30,\"ram\":{}}}\n",
	      "setup:1=active transferred:1 pending:1 throttle:1 transferred:1 pending:1 transferred:1 pending:1 "
	      "throttle:1");
	gives("what is none of ours",
	      "<{\"event\":\"RESUME\"}\n<{\"event\":\"MIGRATION\"}\n<{\"return\":{\"status\":\"paused\",\"running\":"
	      "false}}\n"
	      ">{\"execute\":7}\n>{\"execute\":\"query-block\"}\n<{\"return\":[1]}\n<{\"return\":3}\n<{}\n",
	      "");
	return done();
}
