"""event_write: direct writers, one function a message, whose bytes equal what protobuf-c packs."""

from .event_struct import BATCH, EVENT, constant, event_constant, fields_of, has_bit, struct_of, tail_of
from .ir import SchemaError
from .proto import snake

VARINT_MAX = {"uint32": 5, "enum": 5, "uint64": 10, "sint64": 10, "bool": 1}
FIXED = {"fixed64": 8, "double": 8, "float": 4}
# What most events are, and their fields that are nearly always there: these are written without a call or branch,
# runs of others are passed over by one test.
HOT = {"Mbo": ("action", "side", "order_id", "price_e9", "size"),
       "MbpUpdate": ("action", "side", "price_e9", "size", "level", "orders", "rpt_seq"),
       "Bbo": ("bid_price_e9", "bid_size", "ask_price_e9", "ask_size", "bid_orders", "ask_orders", "symbol_seq"),
       "Trade": ("price_e9", "size", "aggressor", "trade_id", "kind", "order_count", "symbol_seq"),
       "SystemEvent": ("code",),
       "Event": ("flags", "instrument_id", "sub_seq", "template_id")}
# Payloads that decoders write as rows: those, and what else is not rare.
STRAIGHT = ("Statistics", *(name for name in HOT if name != EVENT))
HEAD = ("ts_recv_ns", "ts_event_ns", "venue", "channel", "seq")  # how a row begins
ROW_MAX, TEXTS_MAX = 1024, 128  # of event_rows_write; of the texts of a row that it writes fast
LENGTH_MAX = 5  # bytes of a length; nothing here reaches 4 GiB
PUT = {"enum": "uint32", "string": "str"}


def header():
    return '''/* Generated from proto/ by schemac: events to protobuf bytes.
 *
 * Takes    out: room for the bound of what is written (its last bytes may be scribbled on)
 * Owns     nothing; allocates nothing
 * Thread   any
 * Returns  bytes written: those that protobuf-c packs for the same message. Texts become UTF-8:
 *          a byte that is no part of it, and NUL, is written as '?'
 * Spec     protobuf.dev, "Encoding" */
#pragma once

#include "events/event.h"

/* event_bound is an upper bound for event_write and event_row_write of ev. */
size_t event_bound(const struct event *ev);

/* event_write writes one Event. */
size_t event_write(uint8_t *out, const struct event *ev);

/* event_row_write writes one Event as an element of EventBatch.events: key, length, event. */
size_t event_row_write(uint8_t *out, const struct event *ev);

/* event_rows_write writes the rows of evs, one behind the other, until one ends at or behind end.
 *
 * Takes    end: behind it there is room for EVENT_ROW_MAX bytes
 * Returns  bytes written; *done: events written. It stops before an event whose bound is above
 *          EVENT_ROW_MAX */
enum { EVENT_ROW_MAX = 1024 };
size_t event_rows_write(
	uint8_t *out, const uint8_t *end, struct event *const *evs, unsigned n, unsigned *done);

/* event_tail_write writes what a lone event has beside those of a batch, to be appended behind its
 * bytes. */
size_t event_tail_bound(const struct event_tail *tail);
size_t event_tail_write(uint8_t *out, const struct event_tail *tail);

/* event_batch_write writes the facts of a batch, to be appended behind its rows. */
size_t event_batch_bound(const struct ev_event_batch *facts);
size_t event_batch_write(uint8_t *out, const struct ev_event_batch *facts);'''.split("\n")


def put_name(f):
    return PUT.get(f.kind, f.kind)



def key_len(number):
    return 1 if number < 16 else 2


def write_field(msg, f, m, indent="\t"):
    """Statements that write one field. m: prefix of its member, "m->"."""
    v = f"{m}{f.name}"
    nest = [f"uint8_t *at = nest_begin(p, {f.number});", ""]
    if f.label == "map":
        body = [f"for (uint32_t i = 0; i < {v}_n; i++) {{"] + ["\t" + line if line else "" for line in nest] + [
            f"\tp = put_str(at + 1, 1, {v}[i].key);", f"\tp = put_{put_name(f)}(p, 2, {v}[i].value);",
            "\tp = nest_end(at, p);", "}"]
    elif f.label == "many" and f.kind == "message":
        body = [f"for (uint32_t i = 0; i < {v}_n; i++) {{"] + ["\t" + line if line else "" for line in nest] + [
            f"\tp = nest_end(at, write_{snake(f.type.name)}(at + 1, &{v}[i]));", "}"]
    elif f.label == "many" and f.kind in ("string", "bytes"):
        body = [f"for (uint32_t i = 0; i < {v}_n; i++)",
                f"\tp = put_{put_name(f)}_set(p, {f.number}, {v}[i]);"]
    elif f.label == "many":
        body = [f"if ({v}_n) {{"] + ["\t" + line if line else "" for line in nest] + [
            "\tp = at + 1;", f"\tfor (uint32_t i = 0; i < {v}_n; i++)",
            f"\t\tp = wire_{put_name(f)}(p, {v}[i]);", "\tp = nest_end(at, p);", "}"]
    elif f.kind == "message":
        body = [f"if ({m}has & {has_bit(msg, f)}) {{"] + ["\t" + line if line else "" for line in nest] + [
            f"\tp = nest_end(at, write_{snake(f.type.name)}(at + 1, &{v}));", "}"]
    elif f.label == "opt" and f.name in HOT.get(msg.name, ()):
        body = [f"p = put_{put_name(f)}_opt(p, {f.number}, {v}, {m}has / {has_bit(msg, f)} & 1);"]
    elif f.name in HOT.get(msg.name, ()) and put_name(f) in ("uint64", "uint32"):
        body = [f"p = put_{put_name(f)}_usual(p, {f.number}, {v});"]
    elif f.label == "opt":
        body = [f"if ({m}has & {has_bit(msg, f)})", f"\tp = put_{put_name(f)}_set(p, {f.number}, {v});"]
    else:
        body = [f"p = put_{put_name(f)}(p, {f.number}, {v});"]
    return [indent + line if line else "" for line in body]


def is_there(msg, f, m):
    """An integer that is not zero when the field has to be written, or when it may have to be."""
    v = f"{m}{f.name}"
    if f.label in ("many", "map"):
        return f"{v}_n"
    if f.label == "opt" or f.kind == "message":
        return f"({m}has & {has_bit(msg, f)})"
    if f.kind in ("double", "float"):
        raise SchemaError(msg.where, f"{f.name}: expected no floating point in what is written fast")
    return f"{v}.len" if f.kind == "string" else f"bytes_len({v})" if f.kind == "bytes" else v


def write_fields(msg, fields, m, indent="\t"):
    """Statements that write fields: in a message of HOT, runs of unusual ones behind one test."""
    out, run = [], []

    def close():
        if run:
            there = " | ".join(is_there(msg, f, m) for f in run)
            out.append(f"{indent}if (__builtin_expect(({there}) != 0, 0)) {{")
            for f in run:
                out.extend(write_field(msg, f, m, indent + "\t"))
            out.append(indent + "}")
            run.clear()

    for f in fields:
        if msg.name in HOT and f.name not in HOT[msg.name]:
            run.append(f)
        else:
            close()
            out += write_field(msg, f, m, indent)
    close()
    return out


def bound_const(msg, fields=None):
    """What the fields take whose size is not known from the struct's type alone, at most."""
    n = 0
    for f in fields or fields_of(msg):
        if f.label in ("many", "map", "payload"):
            continue
        n += key_len(f.number)
        if f.kind in VARINT_MAX:
            n += VARINT_MAX[f.kind]
        elif f.kind in FIXED:
            n += FIXED[f.kind]
        else:
            n += LENGTH_MAX
    return n


def bound_terms(msg, m, fields=None, indent="\t"):
    """(terms of the sum, loops) that depend on the content."""
    terms, loops = [], []
    for f in fields or fields_of(msg):
        v, per = f"{m}{f.name}", key_len(f.number) + LENGTH_MAX
        if f.label == "payload":
            continue
        if f.label in ("many", "map"):
            if f.label == "map":
                value = f"{v}[i].value.len + {1 + LENGTH_MAX}" if f.kind == "string" else "9"
                term = f"{per} + {v}[i].key.len + {1 + LENGTH_MAX} + {value}"
            elif f.kind == "message":
                term = f"{per} + bound_{snake(f.type.name)}(&{v}[i])"
            elif f.kind in ("string", "bytes"):
                term = f"{per} + " + (f"{v}[i].len" if f.kind == "string" else f"bytes_len({v}[i])")
            else:
                terms.append(f"{per} + (size_t){v}_n * {VARINT_MAX.get(f.kind) or FIXED[f.kind]}")
                continue
            loops += [f"{indent}for (uint32_t i = 0; i < {v}_n; i++)", f"{indent}\tn += {term};"]
        elif f.kind == "string":
            terms.append(f"{v}.len")
        elif f.kind == "bytes":
            terms.append(f"bytes_len({v})")
        elif f.kind == "message":
            terms.append(f"bound_{snake(f.type.name)}(&{v})")
    return terms, loops


def message_writer(msg):
    how = "static inline" if msg.name in HOT else "static __attribute__((noinline))"
    out = [f"{how} uint8_t *write_{snake(msg.name)}(uint8_t *p, const struct {struct_of(msg)} *m)", "{"]
    out += write_fields(msg, fields_of(msg), "m->")
    return out + ["\treturn p;", "}", ""]


def message_bound(msg):
    name = snake(msg.name)
    out = []
    terms, loops = bound_terms(msg, "m->")
    out += [f"static inline size_t bound_{name}(const struct {struct_of(msg)} *m)", "{"]
    total = " + ".join([str(bound_const(msg))] + terms)
    if loops:
        out += [f"\tsize_t n = {total};", ""] + loops + ["\treturn n;"]
    else:
        out += ([] if terms else ["\t(void)m;"]) + [f"\treturn {total};"]
    return out + ["}", ""]


def payloads_of(event):
    return [f for f in event.fields if f.label == "payload"]


def around(event):
    """(fields before the payload, fields behind it), by number."""
    payloads = payloads_of(event)
    return ([f for f in fields_of(event) if f.number < payloads[0].number],
            [f for f in fields_of(event) if f.number > payloads[-1].number])


def event_writer(event):
    before, behind = around(event)
    out = ["static inline uint8_t *write_payload(uint8_t *p, const struct event *ev)", "{", "\tuint8_t *at;", "",
           "\tswitch (ev->type) {"]
    for f in payloads_of(event):
        out += [f"\tcase {event_constant(f)}:", f"\t\tat = nest_begin(p, {f.number});",
                f"\t\treturn nest_end(at, write_{snake(f.type.name)}(at + 1, &ev->{f.name}));"]
    out += ["\tcase EVENT_NONE:", "\tcase EVENT_TYPES:", "\t\tbreak;", "\t}", "\treturn p;", "}", "",
            "WIRE_CLONES __attribute__((flatten)) size_t event_write(uint8_t *out, const struct event *ev)", "{",
            "\tuint8_t *p = out;", ""]
    for f in before:
        out += write_field(event, f, "ev->")
    out += ["\tp = write_payload(p, ev);"]
    for f in behind:
        out += write_field(event, f, "ev->")
    out += ["\treturn (size_t)(p - out);", "}", ""]
    terms, _ = bound_terms(event, "ev->")
    row = 1 + LENGTH_MAX
    out += ["size_t event_bound(const struct event *ev)", "{",
            f"\tsize_t n = {row} + WIRE_SLACK + {bound_const(event)} + " + " + ".join(terms) + ";", "",
            "\tswitch (ev->type) {"]
    for f in payloads_of(event):
        out += [f"\tcase {event_constant(f)}:",
                f"\t\treturn n + {key_len(f.number) + LENGTH_MAX} + bound_{snake(f.type.name)}(&ev->{f.name});"]
    return out + ["\tcase EVENT_NONE:", "\tcase EVENT_TYPES:", "\t\tbreak;", "\t}", "\treturn n;", "}", ""]


def tail_writer(event):
    fields = tail_of(event)
    terms, _ = bound_terms(event, "tail->", fields)
    out = ["size_t event_tail_bound(const struct event_tail *tail)", "{",
           f"\treturn WIRE_SLACK + {bound_const(event, fields)} + " + " + ".join(terms) + ";", "}", "",
           "size_t event_tail_write(uint8_t *out, const struct event_tail *tail)", "{", "\tuint8_t *p = out;", ""]
    for f in fields:
        out += write_field(event, f, "tail->")
    return out + ["\treturn (size_t)(p - out);", "}", ""]


def rows_header(schema):
    """event_row.h: rows of the kinds that are written fast, for who writes many of one packet."""
    event = schema.message(EVENT)
    before, behind = around(event)
    if tuple(f.name for f in before[:5]) != HEAD:
        raise SchemaError(event.where, "expected Event to begin with " + ", ".join(HEAD))
    by_name = {f.name: f.number for f in event.fields}
    hot = hot_payloads(event)
    longest = (1 + LENGTH_MAX + bound_const(event) + 2 * TEXTS_MAX + 64
               + max(key_len(f.number) + LENGTH_MAX + bound_const(f.type) for f in hot))
    if longest > ROW_MAX:
        raise SchemaError(event.where, f"expected rows of at most {ROW_MAX} bytes, not {longest}: raise ROW_MAX")
    out = f"""/* Generated from proto/ by schemac: rows of a batch, those of the events of one packet.
 *
 * What is equal for the events of a packet is encoded once and copied. Bytes are those of event_row_write. */
/* Hot path: no allocation, lock, system call or log. */
#pragma once

#include "events/event.h"
#include "proto/wire.h"

/* row_head is how rows begin, and what they have behind the payload, as long as packet and sender stay the
 * same. row: key, a place for the length, ts_recv_ns, a place for ts_event_ns, venue, channel, seq. */
enum {{ HEAD_RECV = 3, HEAD_TIME = 12, HEAD_MAX = 48, TAIL_MAX = 32, ROW_TEXTS_MAX = {TEXTS_MAX} }};
struct row_head {{
	uint8_t row[HEAD_MAX + 48], tail[TAIL_MAX + WIRE_SLACK];
	uint32_t len, len_seq;          /* of row without and with seq; 0 when it does not fit */
	uint32_t tail_len, template_id; /* tail: ts_send_ns, template_id, feed */
	struct str venue;
	uint64_t ts_recv_ns, ts_send_ns, seq;
	uint32_t channel, feed;
}};

/* The types that decoders write so, as bits 1 << type. */
static const uint64_t event_row_types = {" | ".join(f"1ull << {event_constant(f)}" for f in payloads_of(event) if f.type.name in STRAIGHT)};

static inline bool row_head_is(const struct row_head *h, const struct event *ev)
{{
	return ev->ts_recv_ns == h->ts_recv_ns && ev->ts_send_ns == h->ts_send_ns && h->len &&
	       ev->venue.p == h->venue.p && ev->venue.len == h->venue.len && ev->channel == h->channel &&
	       ev->feed == h->feed;
}}

/* row_sender_make does what is equal for all packets of a sender. */
void row_sender_make(struct row_head *h, const struct event *ev);

/* row_head_make fills h for the events that have the facts of ev. h begins as zero. */
static inline void row_head_make(struct row_head *h, const struct event *ev)
{{
	if (__builtin_expect(!h->len || ev->venue.p != h->venue.p || ev->venue.len != h->venue.len ||
		ev->channel != h->channel || ev->feed != h->feed || !ev->ts_send_ns != !h->ts_send_ns, 0))
		row_sender_make(h, ev);
	h->ts_recv_ns = ev->ts_recv_ns;
	h->ts_send_ns = ev->ts_send_ns;
	h->seq = ev->seq;
	memcpy(h->row + HEAD_RECV, &ev->ts_recv_ns, sizeof(ev->ts_recv_ns));
	if (ev->ts_send_ns)
		memcpy(h->tail + key_len({by_name["ts_send_ns"]}), &ev->ts_send_ns, sizeof(ev->ts_send_ns));
	h->len_seq = (uint32_t)(put_uint64_usual(h->row + h->len, {by_name["seq"]}, ev->seq) - h->row);
	if (__builtin_expect(h->len_seq > HEAD_MAX || !ev->ts_recv_ns, 0))
		h->len = 0;
}}

/* row_tail_make fills tail of h. */
void row_tail_make(struct row_head *h, uint32_t template_id);

/* row_mark_last sets EVENT_FLAG_LAST in the row from row to end.
 * Returns  its end, which may have moved by 3 bytes */
uint8_t *row_mark_last(const struct row_head *h, uint8_t *row, uint8_t *end);

/* row_begin writes a row up to its flags, row_end from behind its payload; flags, instrument_id, symbol and
 * payload stand between. ts_event_ns is not 0. Both return the end of what they wrote. */
static inline __attribute__((always_inline)) uint8_t *row_begin(
	uint8_t *row, const struct row_head *h, uint64_t ts_event_ns)
{{
	memcpy(row, h->row, HEAD_MAX);
	memcpy(row + HEAD_TIME, &ts_event_ns, sizeof(ts_event_ns));
	return row + h->len_seq;
}}

/* row_seq, behind row_begin, gives the row another seq than that of the head. */
static inline __attribute__((always_inline)) uint8_t *row_seq(uint8_t *row, const struct row_head *h, uint64_t seq)
{{
	return put_uint64_usual(row + h->len, {by_name["seq"]}, seq);
}}

static inline __attribute__((always_inline)) uint8_t *row_end(
	uint8_t *row, uint8_t *p, struct row_head *h, uint32_t sub_seq, uint32_t template_id)
{{
	p = put_uint32_usual(p, {by_name["sub_seq"]}, sub_seq);
	if (__builtin_expect(template_id != h->template_id, 0))
		row_tail_make(h, template_id);
	memcpy(p, h->tail, TAIL_MAX);
	return nest_end(row + 1, p + h->tail_len);
}}""".split("\n")
    return out


def hot_payloads(event):
    return [f for f in payloads_of(event) if f.type.name in HOT]


def rows_writer(event):
    """event_rows_write: any events, one by one."""
    before, _ = around(event)
    by_name = {f.name: f.number for f in event.fields}
    out = f"""void row_sender_make(struct row_head *h, const struct event *ev)
{{
	uint8_t *p;

	h->venue = ev->venue;
	h->channel = ev->channel;
	h->feed = ev->feed;
	h->ts_send_ns = ev->ts_send_ns;
	h->len = 0;
	row_tail_make(h, 0);
	if (ev->venue.len > HEAD_MAX / 2)
		return;
	p = put_fixed64_set(nest_begin(h->row, 1) + 1, {by_name["ts_recv_ns"]}, 0);
	p = put_fixed64_set(p, {by_name["ts_event_ns"]}, 0);
	p = put_str(p, {by_name["venue"]}, ev->venue);
	p = put_uint32(p, {by_name["channel"]}, ev->channel);
	h->len = (uint32_t)(p - h->row);
}}

void row_tail_make(struct row_head *h, uint32_t template_id)
{{
	uint8_t *p = put_fixed64(h->tail, {by_name["ts_send_ns"]}, h->ts_send_ns);

	p = put_uint32(p, {by_name["template_id"]}, template_id);
	p = put_uint32(p, {by_name["feed"]}, h->feed);
	h->tail_len = (uint32_t)(p - h->tail);
	h->template_id = template_id;
}}

__attribute__((noinline)) uint8_t *row_mark_last(const struct row_head *h, uint8_t *row, uint8_t *end)
{{
	uint8_t *at = row + 1, *p = row + h->len;
	bool wide = *at >= 0x80; /* the length has two bytes */

	p += wide;
	if (*p == {by_name["seq"] << 3})
		for (p++; *p++ >= 0x80;)
			;
	if (*p == {by_name["flags"] << 3}) {{
		p[1] |= EVENT_FLAG_LAST;
		return end;
	}}
	memmove(p + 2, p, (size_t)(end - p));
	p[0] = {by_name["flags"] << 3};
	p[1] = EVENT_FLAG_LAST;
	end += 2;
	if (!wide)
		return nest_end(at, end);
	at[0] = (uint8_t)((end - at - 2) | 0x80);
	at[1] = (uint8_t)((end - at - 2) >> 7);
	return end;
}}

/* row_write writes the row of an event of the kinds that are written fast.
 * Returns  its end, or NULL for another event */
static inline __attribute__((always_inline)) uint8_t *row_write(uint8_t *row, const struct event *ev, struct row_head *h)
{{
	uint8_t *p, *at;

	if (__builtin_expect(!row_head_is(h, ev), 0))
		row_head_make(h, ev);
	if (__builtin_expect(!h->len || !ev->ts_event_ns || ev->symbol.len > ROW_TEXTS_MAX || ev->qty_scale, 0))
		return NULL;
	p = row_begin(row, h, ev->ts_event_ns);
	if (ev->seq != h->seq)
		p = row_seq(row, h, ev->seq);""".split("\n")
    for f in before[5:]:
        out += write_field(event, f, "ev->")
    out += ["\tswitch (ev->type) {"]
    for f in hot_payloads(event):
        m = f"ev->{f.name}."
        tests = not_flat(f.type, m)
        out.append(f"\tcase {event_constant(f)}:")
        if tests:
            out += [f"\t\tif ({' || '.join(tests)})", "\t\t\treturn NULL;"]
        out += [f"\t\tat = nest_begin(p, {f.number});",
                f"\t\tp = nest_end(at, write_{snake(f.type.name)}(at + 1, &ev->{f.name}));", "\t\tbreak;"]
    out += """	default:
		return NULL;
	}
	return row_end(row, p, h, ev->sub_seq, ev->template_id);
}

/* row_any writes any other event. Returns its end, or NULL when it is too long. */
static __attribute__((noinline)) uint8_t *row_any(uint8_t *row, const struct event *ev)
{
	return event_bound(ev) > EVENT_ROW_MAX ? NULL : row + event_row_write(row, ev);
}

WIRE_CLONES __attribute__((flatten)) size_t event_rows_write(
	uint8_t *out, const uint8_t *end, struct event *const *evs, unsigned n, unsigned *done)
{
	struct row_head h = {.len = 0};
	uint8_t *p = out;
	unsigned i;

	for (i = 0; i < n && p < end; i++) {
		uint8_t *next = row_write(p, evs[i], &h);

		if (__builtin_expect(!next, 0))
			next = row_any(p, evs[i]);
		if (!next)
			break;
		p = next;
	}
	*done = i;
	return (size_t)(p - out);
}
""".split("\n")
    return out


def not_flat(msg, m):
    """Conditions under which a row of msg is not written fast: long texts, repeated fields."""
    texts = [is_there(msg, g, m) for g in fields_of(msg) if g.kind in ("string", "bytes")]
    many = [is_there(msg, g, m) for g in fields_of(msg) if g.label in ("many", "map")]
    return [" + ".join(texts) + " > ROW_TEXTS_MAX"] * bool(texts) + many


def batch_writer(batch):
    rows = batch.fields[0].number
    return ["size_t event_row_write(uint8_t *out, const struct event *ev)", "{",
            f"\tuint8_t *at = nest_begin(out, {rows});", "",
            "\treturn (size_t)(nest_end(at, at + 1 + event_write(at + 1, ev)) - out);", "}", "",
            "size_t event_batch_bound(const struct ev_event_batch *facts)", "{",
            "\treturn WIRE_SLACK + bound_event_batch(facts);", "}", "",
            "size_t event_batch_write(uint8_t *out, const struct ev_event_batch *facts)", "{",
            "\treturn (size_t)(write_event_batch(out, facts) - out);", "}"]


def source(schema):
    out = ["/* Generated from proto/ by schemac. */",
           "/* Hot path: no allocation, lock, system call or log. */", '#include "events/event_write.h"', "",
           '#include "events/event_row.h"', ""]
    for msg in schema.messages:
        if msg.name != EVENT:
            out += message_writer(msg) + message_bound(msg)
    event = schema.message(EVENT)
    return out + event_writer(event) + tail_writer(event) + batch_writer(schema.message(BATCH)) + rows_writer(event)
