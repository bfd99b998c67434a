/* SPDX-License-Identifier: MIT */
#include "base/progress.h"
#include "tap.h"

static const int64_t second = NS_PER_S;

int main(void)
{
	struct progress p = { 0 };

	ok(!progress_has_stalled(&p, 5, 10000, 100 * second), "the first look");
	ok(!progress_has_stalled(&p, 5, 10000, 110 * second), "it has stood still for the time that it may");
	ok(!progress_has_stalled(&p, 6, 10000, 10000 * second), "it goes on, however long that takes");
	ok(!progress_has_stalled(&p, 4, 10000, 20000 * second), "a new start is no standstill");
	ok(!progress_has_stalled(&p, 4, 10000, 20001 * second), "nor is a second");
	ok(progress_has_stalled(&p, 4, 10000, 20011 * second), "it has stood still for longer");
	return done();
}
