#!/usr/bin/env bash
# A hundred starts and stops under load, one after the other.
exec "$(dirname "$0")/../e2e/test_stop.py" 100 "$@"
