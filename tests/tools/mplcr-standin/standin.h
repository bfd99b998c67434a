/* SPDX-License-Identifier: MIT */
/*
 * mplcr-standin, the map of the program: a stand-in for the MPLCR-patched QEMU 2.9, for the tests. A stock QEMU runs
 * behind a QMP proxy that adds the patch's commands, its order of things, its limits and its traps; migrations and
 * images are real. What it imitates: migration/migration.c, migration/ram.c and hmp.c of github.com/kasidit/qemu-mplm.
 *
 *   main.c       the command line; becomes QEMU, with the proxy as its child
 *   qemu.c       the connection to the real QEMU
 *   client.c     the connection to the tool that is tested: its commands, and the answers
 *   settings.c   capabilities and parameters, as the client sees them and as they are
 *   migration.c  a migration from its beginning to its end
 *   pause.c      what happens while the guest is paused, and what is printed about it
 *   patch.c      the commands that the patch adds
 *
 * Each migration is made with pause-before-switchover: where the patched QEMU makes its overlays, or runs its script,
 * the proxy does it in that pause. The patched QEMU has saved all of the state by then and the proxy has not, which
 * nobody can see, since no command is answered meanwhile.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <time.h>

#include "../qmp-end.h"

/* --- what there is to know -------------------------------------------------------------------------------------- */

#define MAX_QUEUED 20
#define MAX_LENGTH 150 /* of a queued word, its NUL included */
#define MAX_SCRIPT 200 /* of the script's path, its NUL included */
#define PAGE 4096      /* bytes */

struct options {
	bool all_capabilities; /* what QEMU has learned since 2.9 is left in sight */
	bool stuck;            /* each live stage spins for ever */
	bool assert_second;    /* the second overlay that fails kills QEMU */
	bool receiver;         /* -incoming cptcp: */
	int version[3];        /* what QEMU says that it is; zeros: the truth */
};
extern struct options options;

struct mplm {
	bool enable, first_nondirty, relax;
	json_int_t interval, dirty;
};

struct queued {
	char device[MAX_LENGTH], file[MAX_LENGTH], format[MAX_LENGTH];
};

/* What the patched QEMU holds in global variables. */
struct patch {
	bool live; /* the next migration is a checkpoint */
	bool max_rate;
	bool extended;     /* the live stage does not end */
	bool script_given; /* for ever, then */
	char script[MAX_SCRIPT];
	bool mplm_given; /* `mplm` is for the next migration; else it gets the defaults */
	struct mplm mplm;
	struct queued queue[MAX_QUEUED];
	size_t n_queued;
};
extern struct patch patch;

/* The migration that is under way. */
struct run {
	/* CLIENTS: with capabilities of the client's choice, which make it none of ours */
	enum { IDLE, OURS, CLIENTS, STUCK } kind;
	bool was_running;
	bool unlimited;     /* began with the maximum rate */
	bool at_switchover; /* the guest is paused since now */
	bool switched;      /* and all that belongs into the pause was done */
	bool over;
	char status[32]; /* while it is stuck, and when it is over */
	unsigned passes, passes_told;
	struct timespec began;
};
extern struct run run;

extern struct end client;
extern pid_t qemu_pid;
extern json_t *greeting; /* QEMU's, as the client gets it */

/* --- the real QEMU (qemu.c) ------------------------------------------------------------------------------------- */

/* Connects as soon as QEMU listens at `path`. Returns the connection. */
const struct end *qemu_connect(const char *path);
/* Takes what QEMU has said. Ends the program when QEMU has ended. */
void qemu_hear(void);
/*
 * Runs a command, the descriptor `passed` with it where that is not -1; takes over `arguments` (may be NULL). Returns
 * the answer, {"return": …} or {"error": …}, the caller's.
 */
json_t *qemu_ask_passing(const char *command, json_t *arguments, int passed);
json_t *qemu_ask(const char *command, json_t *arguments);
/* The same where the answer is of no interest. */
void qemu_tell(const char *command, json_t *arguments);
/* Kills QEMU with that signal, and so this program too. */
_Noreturn void qemu_crash(int number);
/* The string under the key, or "". */
const char *text_of(const json_t *object, const char *key);

/* --- the client (client.c) -------------------------------------------------------------------------------------- */

/* Takes the next client of the listening socket; takes what it has said. */
void client_accept(int listener);
void client_hear(void);
/* Hands an event on to it. The message is borrowed. */
void client_tell(const json_t *message);
/* An event of our own; takes over `data`. */
void client_tell_event(const char *name, json_t *data);

/* Answers: an empty one, a string, an error. */
json_t *answer_done(void);
json_t *answer_text(const char *text);
json_t *answer_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define ACTIVE_TEXT "There's a migration process in progress"

/* One command of the client's; `arguments` is borrowed and may be NULL. Returns the answer. */
typedef json_t *handler(json_t *arguments);

/* --- settings (settings.c) -------------------------------------------------------------------------------------- */

/* Reads them, before the first client. */
void settings_begin(void);
/* Whether the client has the capability "events" on. */
bool settings_events(void);
/* Gives QEMU what the migration that begins needs, and decides on run.kind; follows a change; puts all back. */
void settings_for_run(void);
void settings_parameters(void);
void settings_after_run(void);

handler do_query_migrate_capabilities, do_migrate_set_capabilities, do_query_migrate_parameters,
	do_migrate_set_parameters;

/* --- a migration (migration.c, pause.c) ------------------------------------------------------------------------- */

/* Looks at an event of QEMU's. Returns whether the client may see it. */
bool migration_event(const json_t *event);
/* What the events that came have to be followed by. */
void migration_follow(void);

handler do_migrate, do_migrate_cancel, do_query_migrate, do_closefd;

/* Prints on standard output, as QEMU does. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One look at what is dirty, in the patch's words; `ram` is that of query-migrate. */
void say_sync(const json_t *ram);
/* The pause; `ram` as above. */
void pause_run(const json_t *ram);

/* --- the patch's own commands (patch.c) ------------------------------------------------------------------------- */

extern const struct mplm mplm_defaults;
handler do_set_mplm_migration, do_set_mplm_extend_live, do_set_mplm_end_live, do_live_checkpointing_enable,
	do_live_checkpointing_disable, do_enable_max_rate, do_disable_max_rate, do_script, do_human_monitor_command;

#endif
