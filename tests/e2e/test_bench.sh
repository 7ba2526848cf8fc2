#!/usr/bin/env bash
# Every benchmark builds and gives a figure; what the figure is does not matter here. usage: test_bench.sh
cd "$(dirname "$0")/../.." || exit 1
exec timeout 240 tests/bench/run.sh --smoke
