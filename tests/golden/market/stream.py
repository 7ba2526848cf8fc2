"""From the answers of a capture to all the events that must come out of it, in order."""
from .wire import Surprise

WINDOW_NS = 10 * 10**6  # arbitration.window_ms: how long a hole is waited for while two lines are heard
LAST, STALE = 1, 16


def first_copies(answers, capture, protocol):
    """(sequence, units, tree, what the capture says) of each packet, once; lines number themselves as they appear."""
    lines, seen = {}, set()
    for frame, tree in answers:
        ts_recv_ns, line = capture[frame]
        feed = lines.setdefault(line, len(lines) + 1)
        sequence, units = protocol.sequence(tree)
        if units == 0 or sequence in seen:  # a heartbeat without a number of its own, or the copy of the other line
            continue
        seen.add(sequence)
        yield sequence, units, tree, {"ts_recv_ns": ts_recv_ns, "feed": feed, "ts_quality": "TS_QUALITY_FILE"}


def given_up(answers, capture, opened):
    """When a hole is given up: at the first packet that comes when its time is over, else at the end."""
    times = [capture[frame][0] for frame, _ in answers]
    return next((now for now in times if now >= opened + WINDOW_NS), times[-1])


def expected(answers, capture, protocol):
    """Events as keyword arguments of Event, and the names of the fields nobody read."""
    events, unread, due, stale = [], set(), None, 0
    for sequence, units, tree, arrival in first_copies(answers, capture, protocol):
        made, not_read = protocol.packet(tree, arrival)
        unread |= not_read
        if due is not None and sequence < due:
            raise Surprise(f"sequence {sequence} behind {due}: first copies are not in order")
        if due is not None and sequence > due:
            opened = arrival["ts_recv_ns"]
            session = made[0]["session"]
            events.append({
                "ts_recv_ns": given_up(answers, capture, opened), "venue": made[0]["venue"], "seq": due,
                "channel": made[0].get("channel"), "session": session, "flags": LAST | stale,
                "ts_quality": "TS_QUALITY_FILE", "gap": {
                    "first_missing": due, "last_missing": sequence - 1, "resolution": "RESOLUTION_DECLARED_LOST",
                    "ts_opened_ns": opened, "session": session, "cause": "CAUSE_UPSTREAM",
                    "lost_messages": (sequence - due) * protocol.seq_unit}})
            stale = STALE
        for event in made:
            event["flags"] |= stale
        events += made
        due = sequence + units
    return events, unread
