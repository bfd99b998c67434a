/* SPDX-License-Identifier: MIT */
#include "model/measures.h"

#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "base/number.h"

#define WHOLE(name, field, label, unit)                                                                                \
	{                                                                                                              \
		name, label, unit, false, offsetof(struct checkpoint, field)                                           \
	}
#define REAL(name, field, label, unit)                                                                                 \
	{                                                                                                              \
		name, label, unit, true, offsetof(struct checkpoint, field)                                            \
	}

/* clang-format off: rows of a table */
static const struct measure list[] = {
	WHOLE("total_pages", total_pages, "pages in all", UNIT_COUNT),
	WHOLE("dirty_pages", dirty_pages, "dirty pages, last sync", UNIT_COUNT),
	WHOLE("period_dirty_pages", period_dirty_pages, "dirty pages of its period", UNIT_COUNT),
	WHOLE("nondirty_pages", nondirty_pages, "non-dirty pages, tracked", UNIT_COUNT),
	WHOLE("sent_pages", sent_pages, "pages sent", UNIT_COUNT),
	WHOLE("zero_pages", zero_pages, "zero pages sent", UNIT_COUNT),
	WHOLE("transferred_bytes", transferred_bytes, "transferred", UNIT_BYTES),
	WHOLE("live_bytes", live_bytes, "of it in the live stage", UNIT_BYTES),
	WHOLE("stop_bytes", stop_bytes, "of it in the stop stage", UNIT_BYTES),
	WHOLE("pending_first_bytes", pending_first, "pending at first", UNIT_BYTES),
	WHOLE("pending_last_bytes", pending_last, "pending at last", UNIT_BYTES),
	REAL("bandwidth_mean_bytes_per_second", bandwidth_mean, "bandwidth, mean", UNIT_BYTES_PER_SECOND),
	REAL("bandwidth_min_bytes_per_second", bandwidth_min, "bandwidth, least", UNIT_BYTES_PER_SECOND),
	REAL("bandwidth_max_bytes_per_second", bandwidth_max, "bandwidth, most", UNIT_BYTES_PER_SECOND),
	REAL("qemu_downtime_ms", downtime_ms, "downtime, by QEMU", UNIT_MS),
	REAL("qemu_setup_ms", setup_ms, "setup, by QEMU", UNIT_MS),
	REAL("qemu_total_ms", total_ms, "total, by QEMU", UNIT_MS),
	WHOLE("interval_seconds", mplm.interval_seconds, "MPLM: interval", UNIT_SECONDS),
	WHOLE("dirty_percent", mplm.dirty_percent, "MPLM: dirty pages a cycle", UNIT_PERCENT),
	WHOLE("sent_nondirty_pages", mplm.sent_nondirty_pages, "MPLM: non-dirty pages sent", UNIT_COUNT),
	WHOLE("sent_dirty_pages", mplm.sent_dirty_pages, "MPLM: dirty pages sent", UNIT_COUNT),
	WHOLE("unsent_nondirty_pages", mplm.unsent_nondirty_pages, "MPLM: non-dirty skipped", UNIT_COUNT),
	WHOLE("unsent_dirty_pages", mplm.unsent_dirty_pages, "MPLM: dirty skipped", UNIT_COUNT),
	REAL("nondirty_percent", mplm.nondirty_percent, "MPLM: non-dirty of all sent", UNIT_PERCENT),
	WHOLE("bound_pages", mplm.bound_pages, "MPLM: live stage at most", UNIT_COUNT),
};
/* clang-format on */

const struct measure *measures(size_t *n)
{
	*n = sizeof(list) / sizeof(list[0]);
	return list;
}

static int64_t whole_at(const struct checkpoint *c, const struct measure *m)
{
	return *(const int64_t *)((const char *)c + m->offset);
}

static double real_at(const struct checkpoint *c, const struct measure *m)
{
	return *(const double *)((const char *)c + m->offset);
}

double measure_value(const struct checkpoint *c, const struct measure *m)
{
	if (m->real)
		return real_at(c, m);
	return whole_at(c, m) == UNTOLD ? NAN : (double)whole_at(c, m);
}

json_t *measure_json(const struct checkpoint *c, const struct measure *m)
{
	if (!isfinite(measure_value(c, m)))
		return NULL;
	return m->real ? json_real(real_at(c, m)) : json_integer(whole_at(c, m));
}

char *measure_text(double value, enum unit unit, char buf[32])
{
	char bytes[16];

	if (isnan(value)) {
		snprintf(buf, 32, "-");
		return buf;
	}
	switch (unit) {
	case UNIT_COUNT:
		snprintf(buf, 32, "%.0f", value);
		break;
	case UNIT_BYTES:
		snprintf(buf, 32, "%s", number_bytes((uint64_t)fmax(value, 0), bytes));
		break;
	case UNIT_BYTES_PER_SECOND:
		snprintf(buf, 32, "%s/s", number_bytes((uint64_t)fmax(value, 0), bytes));
		break;
	case UNIT_MS:
		snprintf(buf, 32, "%.1f ms", value);
		break;
	case UNIT_PERCENT:
		snprintf(buf, 32, "%.1f %%", value);
		break;
	case UNIT_SECONDS:
		snprintf(buf, 32, "%.0f s", value);
		break;
	}
	return buf;
}

int64_t device_bytes(const struct checkpoint *c)
{
	int64_t total = UNTOLD;

	for (size_t i = 0; i < c->n_devices; i++)
		if (c->devices[i].bytes > 0 &&
		    __builtin_add_overflow(total == UNTOLD ? 0 : total, c->devices[i].bytes, &total))
			return UNTOLD;
	return total;
}
