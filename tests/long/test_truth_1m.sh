#!/usr/bin/env bash
# The day of tests/e2e/test_truth.py with a million messages. usage: test_truth_1m.sh [BUILD]
exec "$(dirname "$0")/../e2e/test_truth.py" --messages 1000000 "$@"
