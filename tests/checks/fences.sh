#!/usr/bin/env bash
# What may stand where: libraries behind their fences, no forbidden call, nothing slow on the packet path,
# arrows between folders pointing down only, no file over 700 lines.
cd "$(dirname "$0")/../.." || exit 1
bad=0

# forbid TEXT PATTERN FILES…: no file may hold the pattern
forbid() {
	local text=$1 pattern=$2 found
	shift 2
	found=$(git ls-files "$@" | xargs -r grep -nE "$pattern" /dev/null)
	if [[ -n $found ]]; then
		echo "not ok - $text"
		echo "$found"
		bad=1
	else
		echo "ok - $text"
	fi
}

forbid 'rte_*.h only in capture/, publish/ and engine/' '#include <rte_' 'base/*.[ch]' 'decode/*.[ch]' 'analyze/*.[ch]' 'schemas/**'
forbid 'rdkafka.h only in publish/sinks/kafka*' '#include <librdkafka' ':!publish/sinks/kafka*' ':!tests/**' '*.c' '*.h'
forbid 'zmq.h only in publish/sinks/zmq.c' '#include <zmq' ':!publish/sinks/zmq.c' ':!tests/**' '*.c' '*.h'
forbid 'no unbounded string calls' '\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|gets)\(' '*.c' '*.h'
forbid 'no volatile between threads' '\bvolatile\b' '*.c' '*.h'
forbid 'base/ knows nothing above it' '#include "(decode|capture|publish|engine|analyze|events)/' 'base/*.[ch]'
forbid 'decode/ knows no capture, publish or engine' '#include "(capture|publish|engine)/' 'decode/*.[ch]'
forbid 'capture/ knows no decode, publish or engine' '#include "(publish|engine)/' 'capture/*.[ch]'
forbid 'analyze/ knows no capture, publish or engine' '#include "(capture|publish|engine)/' 'analyze/*.[ch]'
forbid 'publish/ knows no decode, capture or engine' '#include "(capture|engine)/' 'publish/*.[ch]' 'publish/sinks/*.[ch]'
forbid 'no half-done work is marked' '\b(TODO|FIXME|XXX|HACK)\b' '*.c' '*.h' '*.py' '*.sh' ':!tests/checks/fences.sh'

hot=$(git ls-files '*.c' '*.h' | xargs grep -lE '^/\* Hot path: no allocation, lock, system call or log\. \*/' || true)
found=$(grep -nE '\b(malloc|calloc|realloc|free|pthread_mutex_[a-z]+|printf|fprintf|LOG|clock_gettime|nanosleep|read|write)\(' $hot /dev/null)
if [[ -n $found ]]; then
	echo "not ok - hot files allocate, lock, log and call nothing"
	echo "$found"
	bad=1
else
	echo "ok - hot files allocate, lock, log and call nothing"
fi

found=$(git ls-files '*.c' '*.h' '*.py' | xargs wc -l | awk '$1 > 700 && $2 != "total"')
if [[ -n $found ]]; then
	echo "not ok - no file over 700 lines"
	echo "$found"
	bad=1
else
	echo "ok - no file over 700 lines"
fi
exit $bad
