/* SPDX-License-Identifier: MIT */
/* What a journal is made of. */
#ifndef MPLCR_CHAIN_JOURNAL_PARTS_H
#define MPLCR_CHAIN_JOURNAL_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file_id.h"
#include "base/key.h"

#define JOURNAL_SCHEMA "mplcr.chain.journal/2"
#define JOURNAL_KIND "journal" /* of its signature */
#define JOURNAL_MAX_BYTES (64 << 20)

struct place {
	char *dir; /* absolute, without links */
	struct file_id id;
	int fd; /* -1: it is not there any more */
};

struct entry {
	size_t place;
	char *name; /* without a slash */
	bool known; /* else nothing is there, or it does not matter what */
	struct file_id id;
};

struct entries {
	struct entry *list;
	size_t n;
};

struct renaming {
	struct entry from, to;
};

struct journal {
	char *path;
	struct key *key;
	struct place *places; /* the first is that of the journal */
	size_t n_places;
	struct renaming *renames;
	size_t n_renames;
	struct entries checkpoints, removals, tops, scratch;
	bool stored;
};

/* Where the entry is, as a path; malloc'd. */
char *entry_path(const struct journal *j, const struct entry *x);
/* The same through the opened directory, whatever its path leads to now; malloc'd. */
char *entry_anchored(const struct journal *j, const struct entry *x);
/* What is there now. Returns whether there is anything. */
bool entry_now(const struct journal *j, const struct entry *x, struct file_id *now);

/* Removes the directory that the operation made, if it is there. Returns 0 or -1. */
int scratch_remove(const struct journal *j, struct err *e) __attribute__((warn_unused_result));

/* A journal has each of its directories open, of which there may be thousands: as many as the system lets us have. */
void places_allow_many(void);

/* The last part of its path. */
const char *journal_name(const struct journal *j);

/* The journal as it is stored, signed; the caller's. */
json_t *journal_to_json(const struct journal *j);

/*
 * Reads the journal at `path`; *out stays NULL where there is none. One that is not ours, or not of here, is shown.
 * Returns 0 or -1.
 */
int journal_load(const char *path, struct journal **out, struct err *e) __attribute__((warn_unused_result));

/* What `json` says, whoever signed it, into `j`, of which only the path is set. Returns 0, or -1 where it is malformed. */
int journal_parse(const json_t *json, struct journal *j, struct err *e) __attribute__((warn_unused_result));

/* --- claims ------------------------------------------------------------------------------------------------------ */

/* All renames being done, what they and the tops are on is told. */
void journal_leave_claims(const struct journal *j);
/* Drops claims whose users are gone, in all its directories. */
void journal_sweep_claims(const struct journal *j);

/* --- what is needed --------------------------------------------------------------------------------------------- */

struct proof;

/*
 * Looks around, all renames being done: at the chains, at all images and checkpoints in the directories that they lead
 * to, and at all processes. `strict`: what cannot be read may need everything. NULL with an error where what is to stay is
 * not whole. To be freed.
 */
struct proof *proof_read(const struct journal *j, bool strict, struct err *e);
void proof_free(struct proof *p);

/* Why the file, which is there, must stay; malloc'd, or NULL. */
char *proof_file(struct proof *p, const struct entry *x);

/* Why each of the checkpoints must stay: `why` has room for all, and takes malloc'd texts or NULL. */
void proof_checkpoints(struct proof *p, char **why);

#endif
