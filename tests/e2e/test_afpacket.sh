#!/usr/bin/env bash
# Live capture by AF_PACKET over a veth pair in network namespaces of its own: tcpreplay on one side, pkt-sniffer on the other.
# Events must be those of the same packets read from their file. usage: test_afpacket.sh [BUILD]
set -u
# namespaces and packet sockets need root; nsenter and not "ip netns exec", which cannot remount /sys in a chroot
if [[ $(id -u) != 0 ]] && sudo -n true 2>/dev/null; then
	exec sudo -n --preserve-env=PCAP_CORPUS,TESTS_LONG "$(realpath "$0")" "$@"
fi
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
sniffer=$PWD/$build/pkt-sniffer
market=${PCAP_CORPUS:-../shared/data}/market
left=afp-left-$$ right=afp-right-$$
dir=$(mktemp -d)
bad=0

for tool in ip tcpreplay; do
	command -v $tool >/dev/null || { echo "skip - AF_PACKET over veth: no $tool"; exit 0; }
done
[[ -r $market/iex-tops-v1.6.part1.pcap ]] || { echo 'skip - AF_PACKET over veth: no captures (set PCAP_CORPUS)'; exit 0; }
ip netns add "$left" 2>/dev/null && ip netns add "$right" || { echo 'skip - AF_PACKET over veth: no right to make a namespace'; exit 0; }
trap 'kill $(jobs -p) 2>/dev/null; ip netns delete "$left"; ip netns delete "$right"; rm -rf "$dir"' EXIT
ip link add wire0 netns "$left" type veth peer name wire1 netns "$right" || exit 1
for end in "$left wire0" "$right wire1"; do
	read -r ns link <<<"$end"
	nsenter --net="/run/netns/$ns" sysctl -qw "net.ipv6.conf.$link.disable_ipv6=1" # or the kernel sends of its own accord
	nsenter --net="/run/netns/$ns" ip link set "$link" up
done

result() { # STATUS TEXT
	if (($1 == 0)); then
		echo "ok - $2"
	else
		echo "not ok - $2"
		bad=1
	fi
}

# listen OPTIONS…: the program on wire1, in the background, until it has captured enough or 30 s are over
listen() {
	nsenter --net="/run/netns/$right" timeout -s INT 30 "$sniffer" "$@" >"$dir/out" 2>"$dir/log" &
	listener=$!
	for ((i = 0; i < 100; i++)); do # until the kernel lists its packet socket
		[[ $(nsenter --net="/run/netns/$right" wc -l /proc/net/packet) == "1 "* ]] || break
		sleep 0.1
	done
}

send() { nsenter --net="/run/netns/$left" timeout 20 tcpreplay -q -i wire0 "$@" >/dev/null 2>&1; }

# captured FIELD: of the ledger's line "capture packet entered left dropped"
captured() { awk -v n="$1" '$1 == "capture" && $2 == "packet" {print $n}' "$dir/log"; }

# normal: events without what differs between a wire and a file: receive time, and who saw it when
normal() {
	sed -E 's/"(ts_recv_ns|boot_id|ts_quality|source)":"[^"]*",?//g' "$1" | grep -vE '"(feed_status|latency|ledger)":' | sort
}

while read -r capture packets events; do
	"$sniffer" -q -r "$market/$capture" -o "json:$dir/file" udp 2>/dev/null
	listen wire1 -q -o "json:$dir/live" -c "$packets" udp
	send -M 100 "$market/$capture"
	wait $listener
	normal "$dir/file" >"$dir/want"
	normal "$dir/live" >"$dir/got"
	[[ $(wc -l <"$dir/want") -ge $events && $(captured 5) -eq 0 ]] && cmp -s "$dir/want" "$dir/got"
	result $? "$capture over a wire gives the events of the file"
	diff "$dir/want" "$dir/got" | head -n 4 | cut -c 1-400
done <<-'EOF'
	iex-tops-v1.6.part1.pcap 6500 44214
	iex-deep-v1.0.part1.pcap 5000 27950
	cme-mdp3-sbe-v1.6.pcapng 10000 10000
EOF

# Every frame of this capture is tagged: the kernel takes the tag out, the filter knows, and the tag is put back.
listen wire1 -o null: -c 8000 'vlan 905 and udp'
send -M 100 "$market/miax-tom-mach-v1.9.part1.pcap"
wait $listener
[[ $(captured 3) -eq 8000 && $(captured 5) -eq 0 ]]
result $? 'tagged frames pass a filter for their tag'
listen wire1 -o null: 'vlan 906'
send -M 100 "$market/miax-tom-mach-v1.9.part1.pcap"
kill -INT "$(pgrep -P $listener)"
wait $listener
[[ $(captured 3) -eq 0 ]]
result $? 'no frame passes a filter for another tag'

# Overload: the smallest ring, and a program that is stopped while packets come. Nothing may be lost without a count.
listen wire1 -o null: --set source.ring_mib=1 udp
pid=$(pgrep -P $listener)
kill -STOP "$pid"
send -t --loop=5 "$market/nyse-xdp-imbalances-v2.1f.part1.pcap"
kill -CONT "$pid"
sleep 1
kill -INT "$pid"
wait $listener
[[ $(captured 3) -eq 30000 && $(captured 5) -gt 0 ]] && grep -q 'dropped: kernel_drop' "$dir/log" && ! grep -q 'NOT balanced' "$dir/log"
result $? "under overload 30000 sent = $(captured 4) taken + $(captured 5) dropped"

listen wire1 -o null:
nsenter --net="/run/netns/$right" ip link set wire1 down
wait $listener
[[ $? -eq 1 ]] && grep -q 'wire1: the interface went down' "$dir/log"
result $? 'an interface that goes down ends the program, which says so'
((bad == 0)) || tail -n 5 "$dir/log"
exit $bad
