/* itch: a message as the bytes of ITCH 5.0, written offset by offset from the specification. */
#pragma once

#include "tests/sim/market/exchange.h"

#define ITCH_BYTES_MAX 50

/* itch_write puts msg at out.
 *
 * Takes    out: room for ITCH_BYTES_MAX; midnight_ns: local midnight of the trading day, since 1970
 * UTC Returns  the length of the message Spec     Nasdaq TotalView-ITCH 5.0, "Message Formats" */
size_t itch_write(uint8_t *out, const struct msg *msg, uint64_t midnight_ns);
