#!/usr/bin/env bash
# Measures: every figure of docs/performance.md beside its floor. Builds what it needs in build/.
#   tests/bench/run.sh [--quick] [--write] [--list] [NAME …]
# Captures are read from $PCAP_CORPUS (default: ../shared/data). A quiet machine gives better figures; what else ran is said.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ -f build/CMakeCache.txt ]] || cmake --preset release >&2
cmake --build build -j "$(nproc)" --target pkt-sniffer feed-sim bench >&2
exec /usr/bin/python3 -B tests/bench/figures.py "$@"
