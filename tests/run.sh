#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. The last line counts: "N passed, N failed, N skipped".
#   tests/run.sh            everything that fits into 25 minutes on 2 cores
#   tests/run.sh --long     also what takes longer
#   tests/run.sh NAME …     only the steps whose name begins so (tests/run.sh unit golden)
#   tests/run.sh --list     the steps
# Captures are read from $PCAP_CORPUS (default: ../shared/data); without them their tests are skipped by name.
# Logs of all steps: build/test-logs/.
set -uo pipefail
cd "$(dirname "$0")/.."
export PCAP_CORPUS=${PCAP_CORPUS:-$(cd .. && pwd)/shared/data} PYTHONDONTWRITEBYTECODE=1

logs=build/test-logs
long= list=
only=()
for arg; do
	case $arg in
	--long) long=1 ;;
	--list) list=1 ;;
	-*)
		sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	*) only+=("$arg") ;;
	esac
done
export TESTS_LONG=$long

passed=0 failed=0 skipped=0
failures=() skips=()

# A step is a name and a command. Its output is read for results, in any of these forms:
#   ok - TEXT / not ok - TEXT / skip - TEXT            our own scripts
#   Synthesis: Tested: N | Passing: N | …              Criterion
#   Ran N tests … FAILED (failures=…, skipped=…)       Python's unittest
# A step without any counts as one test by its exit status. A failing status is a failure in every form.
step() {
	local name=$1 log rc n ok=0 bad=0 skip=0 start=$SECONDS
	shift
	if [[ ${#only[@]} -gt 0 ]]; then
		local wanted=
		for o in "${only[@]}"; do [[ $name == "$o"* ]] && wanted=1; done
		[[ -n $wanted ]] || return 0
	fi
	if [[ -n $list ]]; then
		echo "$name"
		return 0
	fi
	log=$logs/${name//[\/ ]/_}.log
	printf '%-28s ' "$name"
	"$@" >"$log" 2>&1 </dev/null
	rc=$?
	read -r ok bad skip < <(awk '
		/^ok - /{ok++} /^not ok - /{bad++} /^skip - /{skip++}
		/Synthesis: Tested:/{gsub(/\033\[[0-9;]*m/,""); for(i=1;i<=NF;i++){if($i=="Passing:")ok+=$(i+1); if($i=="Failing:")bad+=$(i+1); if($i=="Crashing:")bad+=$(i+1)}}
		/^Ran [0-9]+ tests?/{n=$2; py+=n; ok+=n}
		/^(OK|FAILED)( |$)/{if(match($0,/failures=[0-9]+/)){v=substr($0,RSTART+9,RLENGTH-9);bad+=v;ok-=v}
			if(match($0,/errors=[0-9]+/)){v=substr($0,RSTART+7,RLENGTH-7);bad+=v;ok-=v}
			if(match($0,/skipped=[0-9]+/)){v=substr($0,RSTART+8,RLENGTH-8);skip+=v;ok-=v}}
		END{print ok+0, bad+0, skip+0}' "$log")
	if ((rc != 0 && bad == 0)); then
		bad=1
		echo "not ok - $name: exit status $rc" >>"$log"
	elif ((ok + bad + skip == 0)); then
		ok=1
	fi
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	while IFS= read -r n; do skips+=("$name: $n"); done < <(grep -hoE '^skip - .*|skipped .*' "$log" | sort -u | head -n 20)
	if ((bad > 0)); then
		failures+=("$name ($log)")
		printf '%5d passed, %d failed, %d skipped  %3d s\n' "$ok" "$bad" "$skip" $((SECONDS - start))
		grep -E '^not ok - |\[FAIL\]|\[----\]|^(FAIL|ERROR):|Error|error:|ERROR: ' "$log" | head -n 25 | sed 's/^/    /'
	else
		printf '%5d passed, %d skipped  %3d s\n' "$ok" "$skip" $((SECONDS - start))
	fi
}

preset() {
	cmake --preset "$1" && cmake --build --preset "$1" -j "$(nproc)"
}

# ctest's own summary counts programs; what the programs say counts tests.
in_ctest() {
	ctest --test-dir "$1" -L "$2" --output-on-failure --verbose --timeout 600 | sed 's/^[0-9]*: //'
	return "${PIPESTATUS[0]}"
}

if [[ -z $list ]]; then
	deploy/deps.sh test || exit 1
	mkdir -p $logs
fi

step build preset release
step unit in_ctest build unit
step schemac python3 -m unittest discover -s tests/schemac -p 'test_*.py'
step proto tests/proto/run.sh
for check in tests/checks/*.sh; do step "check/$(basename "$check" .sh)" "$check"; done
for golden in tests/golden/*.py; do step "golden/$(basename "$golden" .py)" /usr/bin/python3 "$golden"; done
step asan-build preset asan # wrong input end to end goes through it
for e2e in tests/e2e/test_*; do step "e2e/$(basename "$e2e" | sed 's/^test_//; s/\..*//')" "$e2e"; done
# A Criterion test that leaks or is stopped by a sanitizer in its own process does not fail the run: what counts is
# whether a report was written.
sanitized() {
	local reports=$PWD/$1/reports rc
	rm -rf "$reports"
	mkdir -p "$reports"
	ASAN_OPTIONS=detect_leaks=1:log_path=$reports/asan UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports/ubsan \
		LSAN_OPTIONS=suppressions=$PWD/tests/support/lsan.supp:print_suppressions=0 in_ctest "$1" "$2"
	rc=$?
	for report in "$reports"/*; do
		[[ -s $report ]] || continue
		echo "not ok - a sanitizer wrote $report"
		head -n 30 "$report"
		rc=1
	done
	return $rc
}

step clang preset clang
step asan sanitized build-asan 'unit|fuzz'
step tsan-build preset tsan
step race in_ctest build-tsan race
if [[ -n $long ]]; then
	for slow in tests/long/test_*; do step "long/$(basename "$slow" | sed 's/^test_//; s/\..*//')" "$slow"; done
fi

[[ -z $list ]] || exit 0
if ((${#skips[@]} > 0)); then
	echo "skipped:"
	printf '    %s\n' "${skips[@]}"
fi
if ((${#failures[@]} > 0)); then
	echo "failed:"
	printf '    %s\n' "${failures[@]}"
fi
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
