#include "analyze/traffic.h"

#include <stdio.h>

static void count_merge(struct traffic_count *into, const struct traffic_count *from)
{
	into->packets += from->packets;
	into->bytes += from->bytes;
}

void traffic_merge(struct traffic *into, const struct traffic *from)
{
	count_merge(&into->total, &from->total);
	for (unsigned i = 0; i < TRAFFIC_ROWS; i++)
		count_merge(&into->rows[i], &from->rows[i]);
	if (from->first_ns && (into->first_ns == 0 || from->first_ns < into->first_ns))
		into->first_ns = from->first_ns;
	if (from->last_ns > into->last_ns)
		into->last_ns = from->last_ns;
}

void traffic_name(unsigned row, char name[TRAFFIC_NAME])
{
	static const char *const names[TRAFFIC_ROWS] = {[IP_PROTO_ICMP] = "icmp",
		[IP_PROTO_IGMP] = "igmp",
		[IP_PROTO_TCP] = "tcp",
		[IP_PROTO_UDP] = "udp",
		[IP_PROTO_ICMP6] = "icmp6",
		[IP_PROTO_SCTP] = "sctp",
		[41] = "ipv6",
		[47] = "gre",
		[50] = "esp",
		[51] = "ah",
		[TRAFFIC_ARP] = "arp",
		[TRAFFIC_NOT_IP] = "not-ip"};

	if (names[row])
		snprintf(name, TRAFFIC_NAME, "proto/%s", names[row]);
	else
		snprintf(name, TRAFFIC_NAME, "proto/%u", row);
}
