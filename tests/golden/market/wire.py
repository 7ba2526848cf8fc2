"""The dissector's tree of one structure, read field by field, so that a field nobody reads is noticed."""
from decimal import Decimal

E9 = Decimal(10) ** 9


class Surprise(Exception):
    """The answer holds something that this test has no words for."""


class Wire:
    """One structure of the tree. Names may differ between versions of the dissector: the first one there is read.

    left_out: names no event carries, each with its reason."""

    def __init__(self, tree, left_out):
        self.tree, self.left_out = tree, left_out
        self.unread = {name for name in tree if name not in left_out}
        self.parts = []

    def text(self, *names):
        for name in names:
            if name in self.tree:
                self.unread.discard(name)
                return self.tree[name]
        raise Surprise(f"no field {' or '.join(names)} among {', '.join(self.tree)}")

    def number(self, *names, null=None):
        value = int(self.text(*names))
        return None if value == null else value

    def bits(self, name):
        return int(self.text(name), 16)

    def price(self, *names, zero_is_none=False):
        """In units of 1e-9, exactly. The dissector prints the price as a decimal, and a null as -nan."""
        text = self.text(*names)
        if text == "-nan":
            return None
        value = Decimal(text) * E9
        if value != int(value):
            raise Surprise(f"{names[0]} {text} is no whole number of 1e-9")
        return None if zero_is_none and value == 0 else int(value)

    def has(self, *names):
        return any(name in self.tree for name in names)

    def part(self, *names):
        part = Wire(self.text(*names), self.left_out)
        self.parts.append(part)
        return part

    def each(self, name):
        """The structures of this name: none, one, or a list in the tree."""
        entries = self.tree.get(name, [])
        self.unread.discard(name)
        parts = [Wire(entry, self.left_out) for entry in (entries if isinstance(entries, list) else [entries])]
        self.parts += parts
        return parts

    def not_read(self):
        """Names of all fields, here and below, that were not read."""
        return self.unread.union(*(part.not_read() for part in self.parts))


def decimal_text(text):
    """A number as the shortest decimal."""
    return format(Decimal(text).normalize(), "f")


def leaves(tree, path=()):
    """(path, text) of every field of a tree, in wire order."""
    if isinstance(tree, dict):
        for name, part in tree.items():
            yield from leaves(part, path + (name,))
    elif isinstance(tree, list):
        for i, part in enumerate(tree):
            yield from leaves(part, path + (i,))
    else:
        yield path, tree
