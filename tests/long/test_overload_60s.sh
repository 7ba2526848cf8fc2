#!/usr/bin/env bash
# test_overload.py for a minute, with a broker that stands still for 30 s.
exec "$(dirname "$0")/../e2e/test_overload.py" "${BUILD:-build}" 60 30
