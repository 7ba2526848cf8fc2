#!/usr/bin/env bash
# A real Apache Kafka on this machine for tests and the demo: one KRaft node on 127.0.0.1.
#   deploy/kafka-local.sh start    installs what is missing, starts the broker, waits until it answers,
#                                  prints its address
#   deploy/kafka-local.sh stop     ends it and removes its data
#   deploy/kafka-local.sh status   says whether it runs; exit status 0 = running
# Environment: KAFKA_PORT (19092; the next port is its controller's), KAFKA_HOME (~/.cache/dpdk-stock-ai/kafka: jars),
# KAFKA_DATA (a folder of its own under TMPDIR), KAFKA_AUTO_CREATE (true: unknown topics are made), KAFKA_MAX_MB (256: log
# kept per partition).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
port=${KAFKA_PORT:-19092}
home=${KAFKA_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/dpdk-stock-ai/kafka}
data=${KAFKA_DATA:-${TMPDIR:-/tmp}/dpdk-stock-ai-kafka-$(id -u)-$port}

running() {
	[[ -f $data/pid ]] && kill -0 "$(cat "$data/pid")" 2>/dev/null
}

answers() {
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

fetch_jars() {
	local stamp=$home/pom.xml
	cmp -s "$here/kafka/pom.xml" "$stamp" && return
	echo "fetching Kafka's jars (43 MB)" >&2
	mkdir -p "$home"
	rm -rf "$home/lib"
	mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$home/lib" >&2 ||
		{ echo "kafka-local: Maven could not fetch the jars of $here/kafka/pom.xml" >&2; exit 1; }
	cp "$here/kafka/pom.xml" "$stamp"
}

start() {
	if running; then
		echo "127.0.0.1:$port"
		return
	fi
	if answers; then
		echo "kafka-local: port $port is taken by another program; set KAFKA_PORT" >&2
		exit 1
	fi
	"$here/deps.sh" kafka >&2
	fetch_jars
	rm -rf "$data"
	mkdir -p "$data/log"
	cat >"$data/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$data/log
num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=${KAFKA_AUTO_CREATE:-true}
log.retention.bytes=$((${KAFKA_MAX_MB:-256} * 1048576))
log.segment.bytes=67108864
PROPERTIES
	local id
	id=$(java -cp "$home/lib/*" kafka.tools.StorageTool random-uuid 2>/dev/null | tail -n 1)
	java -cp "$home/lib/*" kafka.tools.StorageTool format -t "$id" -c "$data/server.properties" >"$data/format.log" 2>&1 ||
		{ tail -n 5 "$data/format.log" >&2; exit 1; }
	setsid java -Xmx512m -Dlog4j2.configurationFile="$here/kafka/log4j2.yaml" -cp "$home/lib/*" kafka.Kafka \
		"$data/server.properties" >"$data/server.log" 2>&1 </dev/null &
	echo $! >"$data/pid"
	for ((i = 0; i < 300; i++)); do
		answers && { echo "127.0.0.1:$port"; return; }
		running || break
		sleep 0.1
	done
	echo "kafka-local: the broker did not come up; the end of its log:" >&2
	tail -n 15 "$data/server.log" >&2
	stop
	exit 1
}

stop() {
	if running; then
		local pid
		pid=$(cat "$data/pid")
		kill "$pid"
		for ((i = 0; i < 100; i++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -9 "$pid" 2>/dev/null || true
	fi
	rm -rf "$data"
}

case ${1:-} in
start) start ;;
stop) stop ;;
status)
	if running; then
		echo "running on 127.0.0.1:$port, process $(cat "$data/pid"), log $data/server.log"
	else
		echo "not running"
		exit 1
	fi
	;;
*)
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
