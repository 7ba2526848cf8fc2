/* placement: which cores the threads run on. A worker gets a core of its own, where nothing else of
 * the program runs; publishers, the libraries' threads and the control thread share the others. */
#pragma once

#include "engine/config/config.h"
#include "publish/ring.h"

struct placement {
	bool pinned;
	unsigned workers;
	int core[WORKERS_MAX]; /* by worker, while pinned */
};

/* cores_parse reads "2,4-7": cores that differ, at most WORKERS_MAX.
 * Returns  how many, or -EINVAL with error written */
int cores_parse(const char *list, int cores[WORKERS_MAX], char error[256]);

/* placement_make decides, moves every thread that there is off the workers' cores, so that those
 * made later by the caller and by the libraries are elsewhere too, and says so in one line of the
 * log. Cores come from engine.cores, else from EAL's worker lcores where the command line
 * names lcores. With fewer cores than workers
 * and one more, everything shares them: nothing is pinned.
 *
 * Thread   the main thread, after EAL and before the sinks
 * Returns  0, or -EINVAL with one line logged */
int placement_make(struct placement *p, const struct config *cfg);

/* placement_take pins the calling thread, which is worker w's. */
void placement_take(const struct placement *p, unsigned w);

/* placement_pair names a worker's core and one that reads what it writes: of those it may be, the last,
 * which is as far away as any. Equal where there is one core.
 * Thread   the main thread, after placement_make */
void placement_pair(const struct placement *p, int cores[2]);
