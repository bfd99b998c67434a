/* SPDX-License-Identifier: MIT */
/* The state goes to a QEMU that waits for it (--uri), and the checkpoint does not have it. */
#include "transport/transport.h"

#include "engine/engine.h"
#include "options.h"

static const char *uri(const void *own, const struct options *o)
{
	(void)own;
	return o->uri;
}

const struct transport transport_elsewhere = { .uri = uri };

const struct transport *transport_for(const struct engine *engine, const struct options *o)
{
	return o->uri ? &transport_elsewhere : engine->transport;
}
