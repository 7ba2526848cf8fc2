/* sources: the configuration's source, opened once for each worker. */
#pragma once

#include "capture/filter.h"
#include "engine/config/config.h"
#include "engine/steer.h"

/* sources_open opens sources[0..workers). A file is opened by every worker, which skips what is not
 * its own.
 *
 * Takes    filter, steer: kept by the sources
 * Returns  0, or -errno with one line logged and nothing open */
int sources_open(struct source *sources[], unsigned workers, const struct config *cfg,
	struct filter *filter, const struct steer *steer);
