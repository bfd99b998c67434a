/* SPDX-License-Identifier: MIT */
/* The predictions of mplcr-trigger's choice, and the choice. */
#include <math.h>
#include <string.h>

#include "mplcr-trigger/choose.h"
#include "tap.h"

#define MIB (1024.0 * 1024)
#define GIB (1ULL << 30)

static bool near(double a, double b)
{
	return a - b < 0.01 && b - a < 0.01;
}

static struct choice chosen(const struct options *o, const struct survey *s, int result)
{
	struct choice c;
	struct err e = { 0 };

	ok(choose_engine(&c, o, s, NULL, &e) == result, "%s", result < 0 ? e.text : c.why);
	return c;
}

int main(void)
{
	struct survey s = { .version = 100000, .running = true, .memory = GIB / 2, .populated = GIB / 8 };
	struct options o = { .passes = 8 };

	ok(near(predict_background_ms(0, 0), 8), "background: no memory costs what is fixed");
	ok(near(predict_background_ms(8 * GIB, 0), 88), "background: 10 ms per GiB");
	ok(near(predict_background_ms(8 * GIB, 8 * GIB), 288), "background: and 25 ms per populated GiB");
	ok(near(predict_precopy_ms(GIB, 0, 600 * MIB, 8), 20), "precopy: a guest that does not write costs the least");
	ok(near(predict_precopy_ms(0, 1e9, 1e8, 8), 20), "precopy: nor does one without memory");
	ok(near(predict_precopy_ms(GIB, 1e12, 1024 * MIB, 8), 1020),
	   "precopy: one that writes all, all the time, costs all");
	ok(near(predict_precopy_ms(GIB, 512 * MIB, 1024 * MIB, 1), 520), "precopy: one pass halves it");
	ok(predict_precopy_ms(GIB, 512 * MIB, 1024 * MIB, 8) <= 25.0,
	   "precopy: and so many passes reach the tight limit");

	ok(chosen(&o, &s, 0).engine == ENGINE_BACKGROUND, "a small guest: background");
	s.version = 70222;
	s.precopy_unsafe = true;
	strcpy(s.precopy_refusal, "unsafe");
	ok(chosen(&o, &s, 0).engine == ENGINE_BACKGROUND, "no safe precopy: background");
	strcpy(s.background_refusal, "no userfaultfd");
	ok(chosen(&o, &s, 0).engine == ENGINE_STOP, "neither: stop");
	s.patched = true;
	ok(chosen(&o, &s, 0).engine == ENGINE_MPLCR, "neither, but the patched QEMU: mplcr");
	o.max_pause_ms = 100;
	ok(chosen(&o, &s, 0).engine == ENGINE_STOP, "which cannot keep to a pause");
	o.max_pause_ms = 0;
	strcpy(s.mplcr_refusal, "unsafe");
	ok(chosen(&o, &s, 0).engine == ENGINE_STOP, "and not where it is not safe");
	s.patched = false;
	o.accept_unsafe_precopy = true;
	ok(chosen(&o, &s, 0).engine == ENGINE_PRECOPY, "the risk accepted: precopy");
	o.accept_unsafe_precopy = false;
	o.engine = ENGINE_PRECOPY;
	chosen(&o, &s, -1);
	o.engine = ENGINE_BACKGROUND;
	chosen(&o, &s, -1);
	o.engine = ENGINE_STOP;
	ok(choice_predicted_ms(&(struct choice){ .engine = ENGINE_STOP, .stop_ms = 7 }) == 7,
	   "the prediction of the engine chosen");
	chosen(&o, &s, 0);
	s.background_refusal[0] = '\0';
	o.engine = ENGINE_BACKGROUND;
	o.leave_paused = true;
	chosen(&o, &s, -1);
	s.version = 90000;
	chosen(&o, &s, 0);
	o.engine = ENGINE_AUTO;
	ok(chosen(&o, &s, 0).engine == ENGINE_BACKGROUND, "to stay paused: background, from 9.0 on");
	s.version = 80299;
	ok(chosen(&o, &s, 0).engine == ENGINE_STOP, "to stay paused: stop, before");
	o.leave_paused = false;
	s.running = false;
	ok(chosen(&o, &s, 0).engine == ENGINE_STOP, "paused by its user: the same");
	return done();
}
