/* streaming: TCP segments and text streams -> whoever decodes their bytes: FIX, or a feed carried
 * over TCP. */
#pragma once

#include "engine/worker.h"

/* streaming_segment takes one TCP segment; the table of directions counts what becomes of it. */
void streaming_segment(struct worker *w, const struct frame *f, uint64_t ts_recv_ns);

/* streaming_text takes the next bytes of a FIX text file: one direction, in order, nothing lost. */
void streaming_text(struct worker *w, struct bytes in);
