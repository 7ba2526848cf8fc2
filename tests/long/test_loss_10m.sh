#!/usr/bin/env bash
# test_loss.py with 10 million messages (5 million on each of two channels) and 1 % loss on each line; about five minutes.
exec "$(dirname "$0")/../e2e/test_loss.py" "${BUILD:-build}" 5000000 20000 0.01
