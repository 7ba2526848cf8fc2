/* session_name: what the session of a feed packet is called, the same on every host and in every
 * run. */
#pragma once

#include "decode/feed/protocol.h"

enum { SESSION_NAME_MAX = 24 };

/* wire_session writes the session that a packet says it belongs to, without reset suffix, NUL
 * padded: its text, else its number, else (weekly_session) the trading week of its sending time as
 * "2016-W45", else nothing.
 *
 * A trading week begins on Sunday 00:00 UTC, between the weekly reset and the first packet after
 * it, and bears the ISO name of the Monday that follows, so that no reset happens inside a week
 * (docs/decisions/0002). Returns  end of the week in ns UTC, 0 without weekly_session */
uint64_t wire_session(char name[SESSION_NAME_MAX], const struct protocol *protocol,
	const struct feed_packet *pkt);

/* wire_session_equal compares session and session_id of a packet without making a name, for protocols
 * without weekly_session. */
bool wire_session_equal(const char name[SESSION_NAME_MAX], struct str session, uint64_t id);

/* session_name writes wire, with ".n" behind it when n > 0. Returns its length. */
uint8_t session_name(char name[SESSION_NAME_MAX], const char wire[SESSION_NAME_MAX], uint32_t n);
