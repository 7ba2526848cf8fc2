"""c_text: pieces of C: literals, loads, lines with indentation, and whether conditions exclude each other."""

from __future__ import annotations

from typing import List

from .ir import When, Wire


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def load(wire: Wire, pointer: str) -> str:
    """Expression that reads an integer field."""
    at = f"{pointer} + {wire.at}" if wire.at else pointer
    bits = wire.size * 8
    if wire.size == 1:
        value = f"{pointer}[{wire.at}]"
    else:
        value = f"load_{'be' if wire.big else 'le'}{bits}({at})"
    return f"(int{bits}_t){value}" if wire.type[0] == "i" else value


def literal(value: int) -> str:
    if value == -(1 << 63):
        return "INT64_MIN"
    if value > 0x7FFFFFFFFFFFFFFF:
        return f"{value:#x}u"
    return str(value) if value < 1 << 31 else f"{value:#x}"


def shown(value: int, wire: Wire) -> str:
    return f"'{chr(value)}'" if wire.type == "char" and chr(value).isalnum() else str(value)


class Out:
    """Lines of C with indentation."""

    def __init__(self) -> None:
        self.lines: List[str] = []
        self.depth = 0

    def __call__(self, *lines: str) -> None:
        for line in lines:
            self.lines.append("\t" * self.depth + line if line else "")

    def open(self, line: str) -> None:
        self(line + " {")
        self.depth += 1

    def close(self, tail: str = "") -> None:
        self.depth -= 1
        self("}" + tail)


def exclude(a: List[When], b: List[When]) -> bool:
    """Whether two lists of conditions cannot hold at once, as far as one field's values tell."""
    for one in a:
        for other in b:
            if one.wire is not other.wire or one.values is None or other.values is None:
                continue
            mine, theirs = set(one.values), set(other.values)
            if (not one.negate and not other.negate and not mine & theirs or one.negate and not other.negate
                    and theirs <= mine or not one.negate and other.negate and mine <= theirs):
                return True
    return False
