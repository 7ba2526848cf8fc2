#!/usr/bin/env bash
# Steady state: the same capture played 3 and 9 times asks the heap equally often, for every sink that is ours alone;
# libzmq and librdkafka may ask a constant number of times a batch. usage: test_heap.sh [BUILD]
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0

result() { # STATUS TEXT
	if (($1 == 0)); then
		echo "ok - $2"
	else
		echo "not ok - $2"
		bad=1
	fi
}

"$build/feed-sim" --quiet --messages 30000 --seed 3 --pcap "$dir/sim.pcap" || exit 1
cc -O1 -shared -fPIC -o "$dir/count.so" tests/support/count_mallocs.c || exit 1

# calls URI LOOPS
calls() {
	LD_PRELOAD=$dir/count.so timeout 100 "$build/pkt-sniffer" -q -r "$dir/sim.pcap" --loop "$2" -o "$1" 2>&1 |
		sed -n 's/^heap calls //p'
}

for uri in null: file:/dev/null json:/dev/null text:/dev/null; do
	short=$(calls "$uri" 3) long=$(calls "$uri" 9)
	[[ -n $short && $short == "$long" ]]
	result $? "heap, $uri: ${short:-none} calls, three times as long: ${long:-none}"
done

# libzmq: no more than 4 a batch of 10 events
short=$(calls "zmq:ipc://$dir/zmq" 3) long=$(calls "zmq:ipc://$dir/zmq" 9)
((long > 0 && long - short < 6 * 30000 * 4 / 10))
result $? "heap, zmq: $short calls, three times as long: $long"
exit $bad
