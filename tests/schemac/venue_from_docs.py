#!/usr/bin/env python3
"""Writes the schema file printed in docs/adding-a-venue.md: venue_from_docs.py DOCUMENT OUT.layout"""

import re
import sys


def layout_of(document):
    return re.search(r"^```layout\n(.*?)^```$", document, re.S | re.M).group(1)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        text = layout_of(f.read())
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(text)
