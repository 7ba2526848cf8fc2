/* file: length-delimited Events: varint length, event, again and again. */
#include "publish/rows/rowfile.h"

struct sink_ctx {
	struct rowfile rf;
};

/* render puts the event's own bytes and what it needs more outside a batch behind one length. */
static int render(struct sink_ctx *ctx, const struct lone *lone, struct buf *out)
{
	uint8_t tail[LONE_TAIL_MAX];
	size_t tail_len = lone_tail(lone, ctx->rf.source, ctx->rf.boot_id, tail);
	size_t len = bytes_len(lone->event) + tail_len;

	for (; len >= 0x80; len >>= 7)
		buf_char(out, (char)(len | 0x80));
	buf_char(out, (char)len);
	buf_put(out, lone->event.p, bytes_len(lone->event));
	buf_put(out, tail, tail_len);
	return 0;
}

static int file_open(struct sink_ctx **out, const struct sink_options *opt, char error[256])
{
	return rowfile_open(out, sizeof(**out), opt, render, error);
}

const struct sink file_sink = {
	.name = "file",
	.help = "file:PATH (length-delimited protobuf Events; - for standard output)",
	.live_when_full = WHEN_FULL_DROP_NEWEST,
	.open = file_open,
	.submit = rowfile_submit,
	.poll = rowfile_poll,
	.flush = rowfile_flush,
	.error = rowfile_error,
	.close = rowfile_close,
};
