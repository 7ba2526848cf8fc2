#!/usr/bin/env bash
# Checks of the event schema: buf, and Google's protobuf as an independent reader of what the writers write.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
rc=0

tests/proto/lint.sh || rc=1
if /usr/bin/env python3 -c 'import google.protobuf' 2>/dev/null; then
	python=python3
else
	python=/usr/bin/python3 # Debian's packages are for Debian's interpreter
fi
if $python -c 'import google.protobuf' 2>/dev/null; then
	$python tests/proto/test_descriptors.py "$build/dump_events" "$build/events.binpb" || rc=1
else
	echo "skip - reading by the descriptor set: python3-protobuf is missing"
fi
exit $rc
