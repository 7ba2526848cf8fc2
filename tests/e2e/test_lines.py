#!/usr/bin/python3
"""Lines on the screen against those of tcpdump -nn -S, for captures that both know all protocols of, with and without
-e, -q, -x and -X. Left out of tcpdump's: TCP options, and words of HTTP and the like behind the length.

usage: test_lines.py [BUILD]"""
import os
import re
import subprocess
import sys

from support import failures, result

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sniffer = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build", "pkt-sniffer")
corpus = os.path.join(os.environ.get("PCAP_CORPUS", os.path.join(root, "..", "shared", "data")), "net")
CAPTURES = ["icmp_arp/suricata-detect-itype-prefilter-icmpv4-ping.pcap", "icmp_arp/zeek-igmp-igmp-many-groups.pcap",
            "icmp_arp/zeek-igmp-igmp.pcap", "tcp/arkime-tcp_handshake_synthetic.pcap", "tcp/zeek-tcp-ssh-dups.pcap",
            "tcp/zeek-tcp-timestamp.pcap", "tcp/zeek-tcp-one-sided-2745.pcap", "dns/ndpi-dns_doh.pcap",
            "http/arkime-https3-301-get.pcap"]
LOOPBACK = "http/suricata-http-ipv6.pcap"  # has no link header to show
TAGGED = "icmp_arp/zeek-icmp_dot1q.pcap"  # its tags stand elsewhere with -e


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace", timeout=60,
                          check=False).stdout.splitlines()


def same(captures, options):
    lines, apart = 0, []
    for name in captures:
        path = os.path.join(corpus, name)
        got = [line if line.startswith("\t") else line.split(" ", 1)[1] for line in output(sniffer, "-r", path, "--feed", "none", *options)]
        want = [re.sub(r", options \[[^]]*\]", "", line) for line in output("tcpdump", "-nn", "-S", "-t", "-r", path, *options)]
        want = [re.sub(r"(, length \d+): .*", r"\1", line) if "Flags [" in line and "-e" not in options else line for line in want]
        want = [re.sub(r"(Flags .*, length \d+): .*", r"\1", line) for line in want if line.startswith("\t0x") or line[:1] not in "\t "]
        lines += len(want)
        apart += [f"{name}: {ours!r} instead of {theirs!r}" for ours, theirs in zip(got, want) if ours != theirs]
        if len(got) != len(want):
            apart.append(f"{name}: {len(got)} lines instead of {len(want)}")
    result(lines > 20 and not apart, f"{lines} lines with {' '.join(options) or 'no option'} are tcpdump's", f"{len(apart)}: " + "; ".join(apart[:3]))


if not os.path.isdir(corpus):
    print("skip - lines: no captures (set PCAP_CORPUS)")
    sys.exit(0)
same([*CAPTURES, TAGGED, LOOPBACK], [])
same(CAPTURES, ["-e"])
same(CAPTURES, ["-q"])
same([*CAPTURES, TAGGED], ["-x"])
same(CAPTURES, ["-X"])
text = output(sniffer, "-r", os.path.join(corpus, TAGGED), "-e", "-v", "-c", "5")
result(len(text) == 5 and "vlan 123, p 0, ethertype IPv4 (0x0800), length 118: (tos 0x0, ttl 255, id 5, offset 0, flags [none], proto ICMP (1), "
       "length 100) 192.168.123.2 > 192.168.123.1: ICMP echo request" in text[4], "-v says the IP header, -e the tag", "\n".join(text))
sys.exit(bool(failures))
