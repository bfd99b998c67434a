/* SPDX-License-Identifier: MIT */
/* walk: walk.c reads chains and prints paths, json.c prints all that is known. */
#ifndef MPLCR_CHAIN_WALK_H
#define MPLCR_CHAIN_WALK_H

#include <jansson.h>

#include "image/chain.h"

/* One chain as an object, the caller's; `fault` is why it is not whole, or NULL. */
json_t *walk_json(const struct chain *c, const char *fault);

#endif
