"""Faults put in on purpose: one field of an answer or of an event changed. Each must be noticed."""
import copy
from decimal import Decimal

from .events import difference, differences
from .wire import Surprise, leaves


def other(text, telling):
    """Another value of the same kind, or of those given."""
    if telling:
        return telling[text == telling[0]]
    if text.startswith("0x"):
        return f"0x{int(text, 16) ^ 0x80 << 8 * (len(text) // 2 - 2):0{len(text) - 2}x}"
    if text == "-nan":
        return "1"
    try:
        return str(Decimal(text) + 1)
    except ArithmeticError:
        return text + "Q"


def set_leaf(tree, path, text):
    for name in path[:-1]:
        tree = tree[name]
    tree[path[-1]] = text


def answers_read(tree, capture, protocol, left_out, telling):
    """Changes every field of an answer, one at a time; returns (how many, those that changed no event).

    telling: the values to choose from, for fields that events carry in part."""
    def events(of):
        try:
            return protocol().packet(of, dict(capture))[0]
        except (Surprise, KeyError, ValueError, IndexError, TypeError):
            return None

    whole, ignored, count = events(tree), [], 0
    for path, text in list(leaves(tree)):
        if any(name in left_out for name in path):
            continue
        changed = copy.deepcopy(tree)
        set_leaf(changed, path, other(text, telling.get(path[-1])))
        count += 1
        if events(changed) == whole:
            ignored.append(".".join(map(str, path)))
    return count, ignored


def spots(message, path=()):
    """Where an event can be changed: (path to the message, field)."""
    for field in message.DESCRIPTOR.fields:
        map_entry = field.message_type is not None and field.message_type.GetOptions().map_entry
        repeated = field.label == field.LABEL_REPEATED
        if field.message_type is None or map_entry or (repeated and len(getattr(message, field.name))):
            yield path, field
        if field.message_type is None or map_entry:
            continue
        if repeated:
            for i, part in enumerate(getattr(message, field.name)):
                yield from spots(part, path + ((field.name, i),))
        elif message.HasField(field.name):
            yield path, field
            yield from spots(getattr(message, field.name), path + ((field.name, None),))


def changes(message, field):
    """Changes message in place, another way each time; the caller puts it back."""
    name, value = field.name, getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield lambda m: getattr(m, name).__setitem__("another", "1")
        for key in value:
            yield lambda m, key=key: getattr(m, name).__setitem__(key, value[key] + "Q")
            yield lambda m, key=key: getattr(m, name).pop(key)
    elif field.label == field.LABEL_REPEATED:
        if field.message_type:
            yield lambda m: getattr(m, name).__delitem__(-1)
            yield lambda m: getattr(m, name).add()
    elif field.message_type is not None:
        yield lambda m: m.ClearField(name)
    else:
        new = {field.CPPTYPE_STRING: lambda: value + ("Q" if isinstance(value, str) else b"Q"),
               field.CPPTYPE_BOOL: lambda: not value, field.CPPTYPE_DOUBLE: lambda: value + 1.0}
        new = new.get(field.cpp_type, lambda: value ^ 1)()
        yield lambda m: setattr(m, name, new)
        if field.has_presence:
            zero = type(value)()
            if message.HasField(name):
                yield lambda m: m.ClearField(name)
            else:
                yield lambda m: setattr(m, name, zero)


def events_compared(event):
    """Changes every field of an event, set or not; returns (how many, those that made no difference)."""
    unseen, count = [], 0
    for path, field in list(spots(event)):
        target = event
        for name, i in path:
            target = getattr(target, name) if i is None else getattr(target, name)[i]
        for change in list(changes(target, field)):
            mutant = copy.deepcopy(event)
            place = mutant
            for name, i in path:
                place = getattr(place, name) if i is None else getattr(place, name)[i]
            change(place)
            count += 1
            if not difference(mutant, event):
                unseen.append(".".join([name for name, _ in path] + [field.name]))
    return count, unseen


def streams_compared(events):
    """Drops, repeats and swaps events; returns (how many, those that made no difference)."""
    mutants = {"dropped": events[1:], "last dropped": events[:-1], "repeated": events[:1] + events, "empty": []}
    if len(events) > 1:
        mutants["swapped"] = [events[1], events[0]] + events[2:]
    return len(mutants), [name for name, mutant in mutants.items() if not differences(mutant, events)]
