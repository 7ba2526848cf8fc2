#!/usr/bin/env bash
# The command line from outside: answers, refusals with their exit status, pages that are not stale.
# usage: test_cli.sh [BUILD]
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
sniffer=$PWD/$build/pkt-sniffer
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

# refused STATUS PATTERN OPTIONS…: that exit status, and a message on standard error that holds PATTERN
refused() {
	local want=$1 pattern=$2 said status
	shift 2
	said=$(timeout 20 "$sniffer" "$@" 2>&1 >/dev/null </dev/null)
	status=$?
	[[ $status -eq $want && $said == *"$pattern"* ]]
	result $? "refused: $*: $pattern"
	[[ $status -eq $want && $said == *"$pattern"* ]] || printf '  status %s: %s\n' "$status" "$said"
}

# answers PATTERN OPTIONS…: exit status 0, and PATTERN on standard output
answers() {
	local pattern=$1 said
	shift
	said=$(timeout 20 "$sniffer" "$@" 2>"$dir/errors" </dev/null) && [[ $said == *"$pattern"* && ! -s $dir/errors ]]
	result $? "answers: $*"
}

# fresh FILE PAGE: the committed file is what the program writes
fresh() {
	"$sniffer" --help="$2" | diff -u "$1" - >"$dir/diff"
	result $? "$1 is fresh (pkt-sniffer --help=$2 > $1)"
	head -n 20 "$dir/diff"
}

answers 'Exit status' --help
answers '--dump-config' -h
answers 'pkt-sniffer 0' --version
answers 'librdkafka' --build-info
answers 'lo 127.0.0.1' -D
answers 'sound' -T lo
answers 'snaplen: 96' --dump-config -s 96 lo
answers 'sound' --check --config deploy/pkt-sniffer.yaml lo
fresh docs/configuration.md configuration
fresh deploy/pkt-sniffer.yaml example
fresh docs/pkt-sniffer.8 man
fresh docs/metrics.md metrics
man -l --warnings docs/pkt-sniffer.8 >/dev/null 2>"$dir/errors" && [[ ! -s $dir/errors ]]
if command -v man >/dev/null; then result $? 'the manual page is read by man'; else echo 'skip - manual page: no man'; fi

refused 2 'expected what to capture'
refused 2 'did you mean --output?' --outptu null: lo
refused 2 '--read: expected FILE' -r
refused 2 'unknown option -z' -z lo
refused 2 'did you mean snaplen?' --set source.snaplne=1 lo
refused 2 'from 64 to 262144' -s 1 lo
refused 2 'source.filter' lo udp prot 5
refused 2 'sinks.0' -o kafak://localhost:9092/x lo
refused 2 'did you mean itch50?' --feed itch51@239.0.0.1:5 lo
refused 2 'what stands before -- is for DPDK' lo -- udp
refused 2 'expected configuration, example, man or metrics' --help=all
refused 2 'No such file' --config "$dir/none.yaml" lo

printf 'source:\n  interface: lo\nsinks:\n  - uri: text:-\n    whenfull: block\n' >"$dir/wrong.yaml"
refused 2 "$dir/wrong.yaml:5:5: unknown key whenfull in sinks: did you mean when_full?" --check --config "$dir/wrong.yaml"
printf 'source: {interface: lo\n' >"$dir/wrong.yaml"
refused 2 "$dir/wrong.yaml:2:1: no YAML" --check --config "$dir/wrong.yaml"
printf 'source: {interface: "${NO_SUCH_VARIABLE}"}\n' >"$dir/wrong.yaml"
refused 2 'NO_SUCH_VARIABLE is not set' --check --config "$dir/wrong.yaml"

# what is dumped is what is read back, and no secret is in it
printf 'source: {interface: lo, filter: "udp port ${PORT:-5}"}\nsinks:\n  - uri: kafka://h:9092/x\n    params: {kafka.sasl.password: "${PASSWORD}"}\n' >"$dir/right.yaml"
PORT=7 PASSWORD=geheim1234 "$sniffer" --dump-config --config "$dir/right.yaml" --set log.level=debug >"$dir/dump.yaml"
[[ $? -eq 0 ]] && ! grep -q geheim1234 "$dir/dump.yaml" && grep -q 'udp port 7' "$dir/dump.yaml"
result $? 'a dump has variables replaced and secrets masked'
"$sniffer" --dump-config --config "$dir/dump.yaml" | diff "$dir/dump.yaml" - >/dev/null
result $? 'a dump is read back to the same'
PASSWORD=geheim1234 "$sniffer" --config "$dir/right.yaml" --set sinks.0.params.kafka.nonsense.password=geheim1234 \
	--set sinks.0.parms=1 >"$dir/out" 2>&1
! grep -q geheim1234 "$dir/out"
result $? 'a refusal shows no secret'

# one message for a broker that is not there: what is lost is said and fails, and the password in its URI is not shown
printf '\0\014S\0\0\0\0\0\0\0\0\0\001O\0\0' >"$dir/one.binaryfile"
timeout 20 "$sniffer" -r "$dir/one.binaryfile" --format binaryfile -o "text:$dir/events" \
	-o 'kafka://127.0.0.1:1/p?connect_ms=0&kafka.message.timeout.ms=500&kafka.sasl.password=geheim1234' >"$dir/out" 2>&1
[[ $? -eq 1 ]] && grep -q 'events were refused or not taken in time' "$dir/out"
result $? 'events that Kafka did not take make the program fail'
! grep -q geheim1234 "$dir/out" "$dir/events" && grep -q 'password=\*\*\*' "$dir/out" && grep -q ledger "$dir/events"
result $? 'no log, ledger or event shows a password of a sink'

said=$(timeout 20 "$sniffer" -r "$dir/one.binaryfile" \
	-o 'kafka://127.0.0.1:1/p?kafka.sasl.password=geheim1234&connect_ms=soon' 2>&1)
[[ $? -eq 2 && $said == *'connect_ms=soon: expected a number'* && $said != *geheim1234* ]]
result $? 'an error in a URI shows no password of it'

refused 1 'none.pcap' -r "$dir/none.pcap" -o null:
refused 1 'nosuch0' nosuch0 -o null:
exit $bad
