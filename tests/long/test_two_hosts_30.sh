#!/usr/bin/env bash
# test_two_hosts.py with 30 kills.
exec "$(dirname "$0")/../e2e/test_two_hosts.py" "${BUILD:-build}" 30 300
