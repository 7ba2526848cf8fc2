"""The reference pages of the build against the dissector's trees: the same fields, and the same of them in no event."""
import re

from .wire import leaves

ROW = re.compile(r"^\| (\d+):(\d+) \| (\S+) \| (.+?) \| (.*) \|$")


def page(path):
    """({section: blocks of rows (offset, field, what it becomes)}, listed fields that no event carries).

    A block is the root of a message, or a group, in the order of the page."""
    sections, listed, blocks = {}, set(), None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            row = ROW.match(line)
            if line.startswith("## "):
                title = line[3:].split(",")[0]  # "Packet header, 40 bytes"
                blocks = sections.setdefault(title, [])
            elif line.startswith("| bytes "):
                blocks.append([])
            elif row:
                blocks[-1].append((int(row[1]), row[3], row[4] + " " + row[5]))
            elif line.startswith("* "):
                listed.add(line[2:].split(":")[0])
    for blocks in sections.values():
        for block in blocks:
            block.sort()
    return sections, listed


def section(sections, code):
    """The title and blocks of the message with this number."""
    found = [title for title in sections if title.split()[0] == str(code)]
    return found[0], sections[found[0]]


def is_group(part):
    return isinstance(part, dict) and ("groupsize" in part or "groupsize8byte" in part)


def blocks_of(structure):
    """Names of the fields of a message of the tree: of its root, then of each group (None: it has no entries)."""
    root = [path[-1] for path, _ in leaves({name: part for name, part in structure.items() if not is_group(part)})]
    blocks = [root]
    for part in structure.values():
        if is_group(part):
            entries = [entry for name, entry in part.items() if not name.startswith("groupsize")]
            entry = entries[0] if entries else None
            entry = entry[0] if isinstance(entry, list) else entry
            blocks.append(entry and [path[-1] for path, _ in leaves(entry)])
    return blocks


def compare(title, rows, names, left_out, listed):
    """Faults of one block, in words: fields counted, and those of them that no event carries."""
    rows = [row for row in rows if row[1] != "type"]
    faults = []
    if any("since version" not in row[2] for row in rows[len(names):]) or len(names) > len(rows):
        return [f"{title}: the page has {len(rows)} fields {[r[1] for r in rows]}, the tree {names}"]
    for (_, field, becomes), name in zip(rows, names):
        ours = "nothing:" in becomes
        theirs = not left_out.get(name, "framing").startswith("framing")
        if ours != theirs:
            faults.append(f"{title}: {field} is {name} of the tree; in no event: {ours} on the page, {theirs} here")
        entry = ("packet header" if title == "Packet header" else
                 re.sub(r"^\d+ (`.` )?", "", title)) + ", " + field
        if ours != (entry in listed):
            faults.append(f"{title}: {field} and the list at the end of the page do not agree")
    return faults


def faults(path, headers, messages, left_out):
    """headers: trees of packet headers; messages: {(code, names of blocks)}."""
    sections, listed = page(path)
    found = []
    for names in headers:
        names = [name for name in names if name != "encodingtype"]  # the mark before a packet on TCP is not its header
        found += compare("Packet header", sections["Packet header"][0], names, left_out, listed)
    for code, blocks in messages:
        title, rows = section(sections, code)
        if len(rows) < len(blocks):
            found.append(f"{title}: {len(blocks)} blocks in the tree, {len(rows)} on the page")
        for block, names in zip(rows, blocks):
            if names is not None:
                found += compare(title, block, names, left_out, listed)
    return found
