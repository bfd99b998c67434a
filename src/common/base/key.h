/* SPDX-License-Identifier: MIT */
/*
 * The secret by which we know what we wrote ourselves: a key of 32 random bytes, one for each user of a host, made on first
 * use and never shown. It lies in $MPLCR_KEY; or else in /var/lib/mplcr/key for root, and for others in
 * $XDG_STATE_HOME/mplcr/key (~/.local/state/mplcr/key): mode 0600, 64 hexadecimal digits and a line feed. Hosts that are to
 * trust each other's checkpoints share the file.
 *
 * What it signs is a JSON object: HMAC-SHA-512/256 (libsodium's crypto_auth) over its compact form with sorted keys, kept in
 * its member "mac". A word for the kind of object goes into it too, so that one kind never passes for another.
 */
#ifndef MPLCR_KEY_H
#define MPLCR_KEY_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct key;

enum key_verdict {
	KEY_AUTHENTIC, /* signed with this key, and unchanged since */
	KEY_UNSIGNED,  /* it has no "mac" */
	KEY_FOREIGN,   /* signed with another key, or changed since */
};

/*
 * The key of this user; NULL with an error where it cannot be read, or where its file is open to others. With `make`, one
 * that is not there is made, else e->sys is ENOENT. To be freed with key_free.
 */
struct key *key_load(bool make, struct err *e);

/* Wipes and frees it. NULL is allowed. */
void key_free(struct key *k);

/* Signs `object` as a `kind` ("manifest"): sets its "mac". */
void key_sign(const struct key *k, const char *kind, json_t *object);

/* Whether this key signed `object` as that kind. With `k` NULL nothing that is signed is authentic. */
enum key_verdict key_verify(const struct key *k, const char *kind, const json_t *object);

#endif
