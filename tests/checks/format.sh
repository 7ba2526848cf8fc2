#!/usr/bin/env bash
# Every C file is as clang-format writes it.
cd "$(dirname "$0")/../.." || exit 1
git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror
