#!/usr/bin/env bash
# The simulated exchange against readers that share nothing with it: its own files against each other (sim_check.py), tshark,
# and a multicast subscriber behind a veth pair. usage: test_sim.sh [BUILD]
set -u
# namespaces need root; nsenter and not "ip netns exec", which cannot remount /sys in a chroot
if [[ $(id -u) != 0 ]] && sudo -n true 2>/dev/null; then
	exec sudo -n --preserve-env=PCAP_CORPUS,TESTS_LONG "$(realpath "$0")" "$@"
fi
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build} here=$PWD/tests/e2e
sim=$PWD/$build/feed-sim
dir=$(mktemp -d)
tx=sim-tx-$$ rx=sim-rx-$$
trap 'kill $(jobs -p) 2>/dev/null; ip netns delete "$tx" 2>/dev/null; ip netns delete "$rx" 2>/dev/null; rm -rf "$dir"' EXIT
bad=0

result() { # STATUS TEXT
	if (($1 == 0)); then
		echo "ok - $2"
	else
		echo "not ok - $2"
		bad=1
	fi
}

# run OPTIONS…: all files of one run in $dir
run() {
	(cd "$dir" && timeout 120 "$sim" --quiet --pcap sim.pcap --truth sim.jsonl --truth-fix sim.fix.jsonl --books sim.books \
		--binaryfile sim.bin --truth-wire sim.wire "$@" && "$sim" --print-feeds "$@" >sim.feeds)
}

check() { python3 "$here/sim_check.py" "$dir" "$@"; }
wire() { python3 "$here/sim_wire.py" "$dir" "$@"; }

# refused TEXT PATTERN OPTIONS…: exit status 2 and a message that holds PATTERN
refused() {
	local text=$1 pattern=$2 said status
	shift 2
	said=$("$sim" "$@" 2>&1 >/dev/null)
	status=$?
	[[ $status -eq 2 && $said == *"$pattern"* ]]
	result $? "$text"
}

# finds TEXT FILE OFFSET [CHECKER]: the checker notices one changed byte
finds() {
	local text=$1 file=$2 at=$3 check=${4:-check}
	cp "$dir/$file" "$dir/saved"
	python3 - "$dir/$file" "$at" <<-'EOF'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    f.seek(int(sys.argv[2]))
		    byte = f.read(1)[0]
		    f.seek(-1, 1)
		    f.write(bytes([byte ^ 1]))
	EOF
	! $check >/dev/null 2>&1
	result $? "$text"
	mv "$dir/saved" "$dir/$file"
}

run --messages 30000 --instruments 100 && cp "$dir"/sim.pcap "$dir"/first.pcap && cp "$dir"/sim.jsonl "$dir"/first.jsonl
check
result $? 'a day of 30,000 messages is the same in capture, BinaryFILE, truth and books'
wire depth=0 loss=0
result $? 'every packet is where the truth of the wire has it, and none else'
finds 'a wrong byte in a packet is noticed' sim.pcap "$(grep -abo 'SIM0000001' "$dir/sim.pcap" | sed -n '500s/:.*//p' | awk '{print $1+30}')"
finds 'a wrong byte in the BinaryFILE is noticed' sim.bin 60001
finds 'a wrong digit in the books is noticed' sim.books "$(grep -abo '"shares":[0-9]' "$dir/sim.books" | sed -n '50s/:.*//p' | awk '{print $1+9}')"
finds 'a wrong digit in the truth is noticed' sim.jsonl "$(grep -abo '"price":[0-9]' "$dir/sim.jsonl" | sed -n '99s/:.*//p' | awk '{print $1+8}')"
finds 'a wrong digit in the FIX truth is noticed' sim.fix.jsonl "$(grep -abo '\[34,"[0-9]' "$dir/sim.fix.jsonl" | sed -n '9s/:.*//p' | awk '{print $1+5}')"
run --messages 30000 --instruments 100
cmp -s "$dir/sim.pcap" "$dir/first.pcap" && cmp -s "$dir/sim.jsonl" "$dir/first.jsonl"
result $? 'the same seed and options give the same bytes'
faults=(--loss .02 --dup .03 --reorder '.05,6' --outage 'A:.2:.1,B:.5:.05')
run --messages 30000 --instruments 100 "${faults[@]}"
wire loss=.02 late=.05 twice=.03 depth=6 outage=A:.2:.3,B:.5:.55 clean=first.pcap && cmp -s "$dir/sim.jsonl" "$dir/first.jsonl"
result $? 'loss, repetition, disorder and outages are as asked and as told, and change nothing else'
cp "$dir/sim.wire" "$dir/other.wire"
finds 'a packet more in the truth of the wire is noticed' sim.wire "$(grep -abo '"count":[1-9]' "$dir/sim.wire" | sed -n '99s/:.*//p' | awk '{print $1+8}')" wire
run --messages 30000 --instruments 100 "${faults[@]}"
cmp -s "$dir/sim.wire" "$dir/other.wire"
result $? 'the same seed makes the same faults'
run --messages 30000 --instruments 100 "${faults[@]}" --seed 3 --loss-a .1 --channels 2 --new-session-at 15000
wire late=.05 twice=.03 depth=6 outage=A:.2:.3,B:.5:.55 && ! cmp -s "$dir/sim.wire" "$dir/other.wire" &&
	[[ $(cut -d'"' -f10 "$dir/sim.wire" | sort -u | tr '\n' ' ') == 'SIM0000001 SIM0000002 SIM0000003 SIM0000004 ' ]]
result $? 'two channels of two sessions each'
run --messages 30000 --instruments 100 --seed 2
! cmp -s "$dir/sim.pcap" "$dir/first.pcap" && check
result $? 'another seed gives another day, as right as the first'
run --messages 1000 --instruments 1 --start-time 2025-03-09T03:30:00 && check
result $? 'one instrument, the day the clocks change'
run --seconds 3 --rate 50 --instruments 4 --start-time 2024-12-02T15:59:00 && check
result $? 'a quiet day bounded by time, with heartbeats'
run --messages 300000 --seed 3 && check --all-types
result $? 'a day of 300,000 messages has all 23 types and is right'

# MDP 3.0: the same day in both protocols, other versions, and the wire
mdp3() { python3 "$here/sim_mdp3.py" "$dir" "$@"; }
run --protocol both --messages 30000 --instruments 60 --snapshot-ms 200 --truth-mdp3 sim.mdp3 && mdp3 --all && check
result $? 'MDP 3.0: messages, marks of events, books, snapshots are right, and ITCH beside it'
finds 'MDP 3.0: a wrong byte in a packet is noticed' sim.pcap "$(grep -abo 'AAPLZ4' "$dir/sim.pcap" | sed -n '1s/:.*//p' | awk '{print $1+60}')" mdp3
finds 'MDP 3.0: a wrong digit in the truth is noticed' sim.mdp3 "$(grep -abo '"MDEntryPx":[0-9]' "$dir/sim.mdp3" | sed -n '999s/:.*//p' | awk '{print $1+14}')" mdp3
finds 'MDP 3.0: a wrong digit in the books is noticed' sim.books "$(grep -abo '"shares":[0-9]' "$dir/sim.books" | sed -n '50s/:.*//p' | awk '{print $1+9}')" mdp3
run_mdp3() { # OPTIONS…: a short day of MDP 3.0 alone
	(cd "$dir" && timeout 60 "$sim" --quiet --protocol mdp3 --messages 8000 --instruments 20 --pcap sim.pcap --truth-mdp3 sim.mdp3 \
		--truth-wire sim.wire --books sim.books "$@" && "$sim" --protocol mdp3 --print-feeds "$@" >sim.feeds)
}
run_mdp3 --mdp3-version 9 --seed 5 && mdp3 && run_mdp3 --mdp3-version 11 --seed 6 --channels 2 --payload-max 720 && mdp3 && wire depth=0
result $? 'MDP 3.0: schema versions 9 and 11, two channels, small packets'
run_mdp3 --reset-at 5000 --snapshot-ms 0 && mdp3 && grep -q '"template":4,' "$dir/sim.mdp3" && grep -q '"session":"2024-W23.1","seq":1,' "$dir/sim.mdp3"
result $? 'MDP 3.0: behind a channel reset numbers begin at 1 and all books are told anew'
cp "$dir/sim.pcap" "$dir/first.pcap"
run_mdp3 --reset-at 5000 --snapshot-ms 0 "${faults[@]:0:6}" --outage B:.05:.1 && wire loss=.02 late=.05 twice=.03 depth=6 outage=B:.05:.15 clean=first.pcap
result $? 'MDP 3.0: loss, repetition, disorder and outages are as asked and as told'

if command -v tshark >/dev/null; then
	run --messages 20000 --instruments 50 --protocol both
	shark() {
		tshark -r "$dir/sim.pcap" -d udp.port==26477,moldudp64 -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE \
			-o tcp.check_checksum:TRUE "$@" 2>/dev/null
	}
	# Wireshark breaks on a data field that holds SOH, and takes some MDP 3.0 for Pathport: these are not its to judge
	found=$(shark -Y '(_ws.malformed && !fix.EncodedTextLen && !(ip.dst == 224.0.0.0/16)) || ip.checksum.status == 0 || udp.checksum.status == 0 ||
		tcp.checksum.status == 0 || tcp.analysis.flags' | wc -l)
	all=$(shark -Y moldudp64 -T fields -e moldudp64.count | awk '$1 < 65535 {n += $1} END {print n+0}')
	[[ $found -eq 0 && $all -eq 40000 ]]
	result $? 'tshark finds nothing malformed, good checksums, and every message on both lines'
else
	echo 'skip - tshark is not installed'
fi

refused 'an unknown option is refused with the nearest name' 'nearest is --messages' --mesages 10
refused 'a number out of range is refused with the range' 'from 1 to 65535' --port-a 0
refused 'a day too short for its instruments is refused' 'give 19712 or more' --messages 50
refused 'no multicast group is refused' 'expected a multicast group' --group-a 10.0.0.1
refused 'a date that is none is refused' 'expected YYYY-MM-DD' --start-time yesterday
refused 'two lengths are refused' 'exclude each other' --seconds 1 --messages 100000
refused 'a chance above 1 is refused' 'from 0 to 1' --loss 1.5
refused 'a depth out of range is refused' 'DEPTH from 1 to' --reorder .1,99
refused 'an outage of no line is refused' 'LINE A or B' --outage C:1:1
refused 'a session behind the end of the day is refused' 'the day has 100000 messages' --new-session-at 200000
refused 'a protocol that is none is refused' 'expected itch, mdp3 or both' --protocol fast
refused 'a reset of MoldUDP64 numbers is refused' 'needs --protocol mdp3' --reset-at 5
refused 'a session of MDP 3.0 is refused' 'no sessions on the wire' --protocol mdp3 --new-session-at 5
refused 'packets too small for MDP 3.0 are refused' '720 bytes or more' --protocol mdp3 --payload-max 500
refused 'an option without its value is refused' 'needs a value' --pcap --quiet
"$sim" --live nosuch0 2>&1 | grep -q 'No such device'
result $? 'an interface that is not there is named'
"$sim" --quiet --messages 30000 --instruments 100 --pcap /dev/full 2>&1 | grep -q 'No space left'
result $? 'a full disk is an error'
"$sim" --help | grep -q -- '--fix-password' && "$sim" --help >/dev/null
result $? 'help lists every option'

# live, in two network namespaces of this test's own
live() {
	ip netns add "$rx" && ip link add tx0 netns "$tx" type veth peer name rx0 netns "$rx" || return 1
	nsenter --net="/run/netns/$tx" ip addr add 10.9.8.1/24 dev tx0 && nsenter --net="/run/netns/$rx" ip addr add 10.9.8.2/24 dev rx0
	nsenter --net="/run/netns/$tx" ip link set tx0 up && nsenter --net="/run/netns/$rx" ip link set rx0 up
	sleep .2
	local common=(--quiet --instruments 20 --messages 8000 --rate 8000 --heartbeat-ms 500)

	nsenter --net="/run/netns/$rx" timeout 60 python3 "$here/sim_subscriber.py" udp 10.9.8.2 "$dir/live.bin" >"$dir/udp.log" 2>&1 &
	local reader=$!
	while ! grep -q ready "$dir/udp.log"; do sleep .05; done
	nsenter --net="/run/netns/$tx" "$sim" "${common[@]}" --live tx0 --binaryfile "$dir/live.bin"
	wait $reader
	local udp=$?
	cat "$dir/udp.log"
	nsenter --net="/run/netns/$rx" timeout 60 python3 "$here/sim_subscriber.py" raw rx0 "$dir/live.pcap" >"$dir/raw.log" 2>&1 &
	reader=$!
	while ! grep -q ready "$dir/raw.log"; do sleep .05; done
	nsenter --net="/run/netns/$tx" "$sim" "${common[@]}" "${faults[@]}" --protocol both --live tx0 --live-raw --pcap "$dir/live.pcap"
	wait $reader
	local raw=$?
	cat "$dir/raw.log"
	return $((udp | raw << 1))
}
if ip netns add "$tx" 2>/dev/null; then
	live
	result $? 'live over veth: UDP sockets and raw frames, with faults too, arrive as in the files'
	nsenter --net="/run/netns/$tx" timeout 10 "$sim" --quiet --messages 8000 --instruments 20 --rate 80 --live tx0 --flat-out
	result $? 'live, flat out: a day of 100 s does not wait for the clock'
else
	echo 'skip - live over veth: no right to make a namespace'
fi
exit $bad
