#!/usr/bin/env bash
# buf over proto/: lint STANDARD, and nothing that breaks a reader of the last committed schema.
# buf comes from npm, pinned in package.json, into the build tree ($BUILD, default build).
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
home=$build/buf

if ! command -v npm >/dev/null; then
	echo "skip - buf lint and buf breaking: npm is missing"
	exit 0
fi
mkdir -p "$home"
if ! cmp -s tests/proto/package.json "$home/package.json" || [[ ! -x $home/node_modules/.bin/buf ]]; then
	cp tests/proto/package.json "$home/"
	if ! (cd "$home" && npm install --no-package-lock --no-audit --no-fund --silent) >"$home/npm.log" 2>&1; then
		cat "$home/npm.log"
		echo "skip - buf lint and buf breaking: npm could not install buf"
		rm -f "$home/package.json"
		exit 0
	fi
fi
buf=$home/node_modules/.bin/buf
export BUF_CACHE_DIR=$home/cache

if "$buf" lint proto; then
	echo "ok - buf lint STANDARD"
else
	echo "not ok - buf lint STANDARD"
	exit 1
fi

# The last commit that holds another schema than the working tree; a schema that was committed just now is
# compared with the one before.
base=
while read -r commit; do
	if ! git diff --quiet "$commit" -- proto/events; then
		base=$commit
		break
	fi
done < <(git log --format=%H -- proto/events 2>/dev/null || true)
if [[ -z $base ]]; then
	echo "skip - buf breaking: no commit with another schema"
	exit 0
fi
old=$home/old
rm -rf "$old"
mkdir -p "$old"
git archive "$base" proto | tar -x -C "$old"
if "$buf" breaking proto --against "$old/proto"; then
	echo "ok - buf breaking against ${base:0:12}"
else
	echo "not ok - buf breaking against ${base:0:12}"
	exit 1
fi
