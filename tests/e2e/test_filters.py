#!/usr/bin/python3
"""40 filter expressions on 10 captures: how many packets pass, against tcpdump's count of the same.

usage: test_filters.py [BUILD]"""
import os
import re
import subprocess
import sys

from support import failures, result

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sniffer = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build", "pkt-sniffer")
corpus = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(root, "..", "shared", "data")), "net")
CAPTURES = ["mixed/arkime-v6.pcap", "mixed/ndpi-youtube_quic.pcap", "icmp_arp/zeek-icmp_dot1q.pcap",
            "icmp_arp/zeek-icmp-icmp6-nd-options.pcap", "frag/ndpi-dns_fragmented.pcap", "tcp/zeek-tcp-ssh-dups.pcap",
            "dns/arkime-dns-wiresharkrepo.pcap", "vlan_tunnel/zeek-http-qinq-0.pcap", "linktypes/zeek-linux_dlt_sll2.pcap",
            "icmp_arp/zeek-igmp-igmp-many-groups.pcap"]
EXPRESSIONS = [
    "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "igmp", "not ip", "ip or ip6", "port 53", "udp port 53", "tcp port 22",
    "src port 53", "dst port 53", "portrange 1-1024", "tcp portrange 20-25 or udp portrange 50-60", "host 192.168.170.8",
    "src host 192.168.170.20", "net 192.168.0.0/16", "dst net 10.0.0.0/8", "ip6 net 3ffe::/16", "less 80", "greater 500",
    "len >= 60 and len <= 100", "broadcast", "multicast", "ip multicast", "ether multicast", "vlan", "vlan 123", "vlan and icmp",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[tcpflags] = tcp-ack", "icmp[icmptype] = icmp-echo", "ip[6:2] & 0x3fff != 0",
    "ip proto 17 and not port 53", "ip6 proto 58", "ip[8] < 64", "(udp or tcp) and not (port 53 or port 443)"]


def count(command, pattern):
    """What the command counts; None when it refuses the expression."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    found = re.search(pattern, done.stdout, re.M)
    return int(found[1]) if done.returncode == 0 and found else None


if not os.path.isdir(corpus):
    print("skip - filters: no captures (set PCAP_CORPUS)")
    sys.exit(0)
passed, refused = set(), 0
for name in CAPTURES:
    path, apart = os.path.join(corpus, name), []
    for expression in EXPRESSIONS:
        want = count(["tcpdump", "-nn", "--count", "-r", path, expression], r"^(\d+) packets?$")
        got = count([sniffer, "-r", path, "-o", "null:", expression], r"^(\d+) packets captured$")
        if got != want:
            apart.append(f"{expression}: {got} instead of {want}")
        if want:
            passed.add(expression)
        refused += want is None
    result(not apart, f"{name}: {len(EXPRESSIONS)} expressions let through what tcpdump lets through", "; ".join(apart))
result(len(passed) >= len(EXPRESSIONS) - 4 and refused < 20, f"{len(passed)} of {len(EXPRESSIONS)} expressions find something",
       f"nothing for {sorted(set(EXPRESSIONS) - passed)}; {refused} refused")
sys.exit(bool(failures))
