#!/usr/bin/env bash
# Installs what is missing, builds, and runs the main job: a simulated exchange writes traffic, pkt-sniffer decodes
# it, events go out over ZeroMQ, and a subscriber in Python prints them as they come, with the ledger at the end.
# Needs no NIC, no broker, no capture, and no root beyond the install.
#   deploy/demo.sh                     20 seconds over ZeroMQ
#   deploy/demo.sh --seconds N         another length
#   deploy/demo.sh --rate N            messages a second of the exchange (50000)
#   deploy/demo.sh --kafka local       also through a real Kafka broker that is started for it
#   deploy/demo.sh --kafka HOST:PORT   also through that broker
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=20 rate=50000 kafka=
usage() {
	sed -n '2,9s/^# \{0,1\}//p' deploy/demo.sh >&2
	exit 2
}
while [[ $# -gt 0 ]]; do
	[[ $# -ge 2 ]] || usage
	case $1 in
	--seconds) seconds=$2 ;;
	--rate) rate=$2 ;;
	--kafka) kafka=$2 ;;
	*) usage ;;
	esac
	shift 2
done
[[ $seconds =~ ^[1-9][0-9]*$ && $rate =~ ^[1-9][0-9]*$ ]] || usage

deploy/deps.sh build
if [[ ! -x build/pkt-sniffer || ! -x build/feed-sim ]]; then
	echo "building (about a minute)"
fi
build_log=$(mktemp)
{ cmake --preset release && cmake --build build --target pkt-sniffer feed-sim events_descriptors -j "$(nproc)"; } >"$build_log" 2>&1 ||
	{ tail -n 30 "$build_log" >&2; exit 1; }
rm -f "$build_log"

work=$(mktemp -d)
started_kafka=
consumers=()
cleanup() {
	kill "${consumers[@]}" 2>/dev/null || true
	[[ -z $started_kafka ]] || deploy/kafka-local.sh stop
	rm -rf "$work"
}
trap cleanup EXIT

sinks=(-o "zmq:ipc://$work/events?wait=1")
/usr/bin/python3 deploy/demo_consumer.py --descriptors build/events.binpb --zmq "ipc://$work/events" &
consumers+=($!)
if [[ -n $kafka ]]; then
	/usr/bin/python3 -c 'import confluent_kafka' 2>/dev/null || deploy/deps.sh kafka
	if [[ $kafka == local ]]; then
		echo "starting Apache Kafka"
		deploy/kafka-local.sh status >/dev/null || started_kafka=1 # one that ran before goes on
		kafka=$(deploy/kafka-local.sh start)
	fi
	prefix=demo$$
	sinks+=(-o "kafka://$kafka/$prefix")
	/usr/bin/python3 deploy/demo_consumer.py --descriptors build/events.binpb --kafka "$kafka" \
		--topics "$prefix.md,$prefix.fix,$prefix.ops" --samples 1 &
	consumers+=($!)
fi

echo "a simulated exchange, $rate messages a second for $seconds s:  feed-sim | pkt-sniffer -r - --speed 1 ${sinks[*]}"
build/feed-sim --seconds "$seconds" --rate "$rate" --quiet --pcap - |
	build/pkt-sniffer -r - --speed 1 "${sinks[@]}" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
status=0
for consumer in "${consumers[@]}"; do wait "$consumer" || status=1; done
consumers=()
echo
echo "the ledger of pkt-sniffer: every packet and event is accounted for"
cat "$work/log"
cat <<'NEXT'

What to try next:
  build/feed-sim --messages 1000000 --pcap day.pcap             a capture of the simulated exchange
  build/pkt-sniffer -r day.pcap                                 its events as readable lines
  build/pkt-sniffer -r day.pcap -o json:- 'udp port 26477'      the same as JSON, with a tcpdump filter
  sudo build/pkt-sniffer eth0                                   what your own network carries
  build/pkt-sniffer -r 20240603_IEXTP1_DEEP1.0.pcap.gz          a real day: download one from https://iextrading.com/trading/market-data/ (HIST)
  deploy/demo.sh --kafka local                                  this demo through a real Kafka broker
NEXT
exit $status
