"""Command line of schemac: `python3 -m schemac COMMAND …` with schemas/ on PYTHONPATH.

Each command is a module of this package with `main(args)`; what is wrong with a schema is a SchemaError,
shown as "file:line: what was expected", exit status 1.
"""

import importlib
import sys

from .ir import SchemaError

COMMANDS = {
    "decoders": "decoders",  # schemas/ -> C decoders, reference pages, test vectors
    "events": "events_c",  # proto/ -> structs and direct writers of events
}


def main(argv):
    if len(argv) < 1 or argv[0] not in COMMANDS:
        print("usage: schemac COMMAND …; commands: " + ", ".join(sorted(COMMANDS)), file=sys.stderr)
        return 2
    try:
        importlib.import_module("." + COMMANDS[argv[0]], __package__).main(argv[1:])
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
