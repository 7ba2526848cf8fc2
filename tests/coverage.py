#!/usr/bin/python3
"""Lines that tests have covered, by folder, and the files of decode/ and publish/ that have least.

    cmake --preset coverage && cmake --build --preset coverage     tests count into build-coverage
    ctest --test-dir build-coverage -L 'unit|fuzz'; BUILD=build-coverage tests/e2e/test_truth.py …
    tests/coverage.py [BUILD]
"""
import collections
import glob
import json
import os
import subprocess
import sys

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
build = os.path.join(root, sys.argv[1] if len(sys.argv) > 1 else "build-coverage")
LEAST = 10

lines = collections.defaultdict(collections.Counter)  # file: line: times
counts = glob.glob(os.path.join(build, "**", "*.gcda"), recursive=True)
if not counts:
    sys.exit(f"coverage.py: {build} has no counts: expected a build of the preset coverage whose tests have run")
for path in counts:
    said = subprocess.run(["gcov", "--json-format", "--stdout", path], stdout=subprocess.PIPE, check=True, cwd=build).stdout
    for unit in map(json.loads, said.splitlines()):
        for file in unit["files"]:
            name = os.path.relpath(os.path.join(unit["current_working_directory"], file["file"]), root)
            for line in file["lines"]:
                lines[name][line["line_number"]] += line["count"]

folders, files = collections.defaultdict(lambda: [0, 0]), []
for name, times in lines.items():
    folder, covered = name.split("/")[0], sum(map(bool, times.values()))
    if folder in ("..", "usr"):
        continue
    folders["generated" if folder == os.path.basename(build) else folder][0] += covered
    folders["generated" if folder == os.path.basename(build) else folder][1] += len(times)
    if folder in ("decode", "publish"):
        files.append((covered / len(times), name))
for folder, (covered, all_) in sorted(folders.items()):
    print("%-10s %5.1f %% of %d lines" % (folder, 100 * covered / all_, all_))
for share, name in sorted(files)[:LEAST]:
    print("  %5.1f %% %s" % (100 * share, name))
