/* options: what the command line asks for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct options {
	uint64_t seed, messages;
	uint32_t instruments, channels;
	double seconds, rate, fix_rate;
	const char *start_time;         /* "now", or YYYY-MM-DDTHH:MM:SS of US Eastern time */
	uint64_t start_ns, midnight_ns; /* made from it: ns since 1970 UTC */
	const char *protocol;
	bool itch, mdp3; /* made from it */
	const char *lines, *session, *group_a, *group_b, *mdp3_group_a, *mdp3_group_b;
	uint32_t port_a, port_b; /* of channel 0; channel n has n more */
	uint32_t mdp3_port_a, mdp3_port_b;
	uint32_t addr_a, addr_b, mdp3_addr_a, mdp3_addr_b; /* the groups as numbers */
	uint32_t mdp3_version, snapshot_ms;
	uint32_t payload_max, hold_us, heartbeat_ms;
	double loss, loss_a, loss_b, dup, late; /* chances of a packet, 0 … 1 */
	uint32_t late_packets;
	const char *reorder, *outage; /* as given; made from them: late, late_packets and */
	struct {
		char line;
		double at_s, for_s; /* from start_ns */
	} outages[16];
	uint32_t outages_n;
	uint64_t new_session_at, reset_at; /* number of a message of the day, 0 = never */
	const char *pcap, *pcap_us, *binaryfile, *truth, *truth_mdp3, *truth_fix, *truth_wire,
		*books, *live;
	bool live_raw, flat_out, no_fix, print_feeds, quiet;
	const char *fix_user, *fix_password, *fix_secret;
	uint32_t fix_port, fix_heartbeat;
};

/* options_parse fills o from the command line, with defaults for the rest.
 *
 * Returns  0; 1 after --help, which it has printed; -EINVAL after a message on stderr that says
 * what was expected */
int options_parse(struct options *o, int argc, char **argv);

/* eastern_midnight_ns is when a day begins in New York, in ns since 1970 UTC; eastern_offset_s is
 * how far its clocks are behind UTC at a UTC second (rules since 2007). */
int64_t eastern_offset_s(int64_t utc_s);
uint64_t eastern_midnight_ns(int64_t utc_s);
