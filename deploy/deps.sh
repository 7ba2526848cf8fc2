#!/usr/bin/env bash
# Installs the Debian packages that are missing: deploy/deps.sh build|kafka|test|stack
#   build  compiler and libraries (what the demo needs)     kafka  Java and Maven for deploy/kafka-local.sh
#   test   build, kafka and what tests/run.sh uses beside them
#   stack  what tests/long/test_stack.py builds the images of the demo stack with
# Asks sudo for root when something is missing; does nothing, and needs no right, when nothing is.
set -euo pipefail

build=(build-essential cmake ninja-build pkg-config python3 libdpdk-dev librdkafka-dev libzmq3-dev
	libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libpcap-dev libyaml-dev libmicrohttpd-dev zlib1g-dev libzstd-dev
	python3-protobuf python3-zmq iproute2)
kafka=(openjdk-17-jre-headless maven python3-confluent-kafka)
test=("${build[@]}" "${kafka[@]}" libcriterion-dev clang-14 clang-format-14 libclang-rt-14-dev llvm-14 libprotobuf-dev
	libquickfix-dev iputils-ping bind9-dnsutils curl tshark tcpdump tcpreplay ethtool kcat prometheus valgrind npm procps scdoc man-db zstd util-linux python3-venv)

stack=(buildah debootstrap curl python3-yaml util-linux iproute2)

case ${1:-} in
stack) want=("${stack[@]}") ;;
build) want=("${build[@]}") ;;
kafka) want=("${kafka[@]}") ;;
test) want=("${test[@]}") ;;
*)
	sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: this is no Debian or Ubuntu; install by hand what these packages hold: ${want[*]}" >&2
	exit 2
fi
# These may have come another way than from Debian's packages: what counts is the program.
declare -A program=([npm]=npm [maven]=mvn [openjdk-17-jre-headless]=java)
missing=()
for package in "${want[@]}"; do
	[[ -n ${program[$package]:-} ]] && command -v "${program[$package]}" >/dev/null && continue
	[[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $(id -u) != 0 ]]; then
	command -v sudo >/dev/null || {
		echo "deps.sh: not root and no sudo; as root run: apt-get install ${missing[*]}" >&2
		exit 2
	}
	as_root=(sudo)
fi
echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { "${as_root[@]}" apt-get update -q &&
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } \
	>"$log" 2>&1 </dev/null; then
	tail -n 15 "$log" >&2
	exit 1
fi
