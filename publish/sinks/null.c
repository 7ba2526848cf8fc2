/* null: takes everything, keeps nothing. */
#include <errno.h>
#include <stdlib.h>

#include "publish/sink.h"

struct sink_ctx {
	struct sink_counts *const *counts;
};

static int null_open(struct sink_ctx **out, const struct sink_options *opt, char error[256])
{
	struct sink_ctx *ctx = malloc(sizeof(*ctx));

	if (!ctx) {
		error[0] = 0;
		return -ENOMEM;
	}
	ctx->counts = opt->counts;
	*out = ctx;
	return 0;
}

static int null_submit(struct sink_ctx *ctx, struct batch *b)
{
	sink_left(ctx->counts[b->worker], b->events);
	batch_done(b);
	return 0;
}

static int null_close(struct sink_ctx *ctx)
{
	free(ctx);
	return 0;
}

const struct sink null_sink = {
	.name = "null",
	.help = "null: (takes everything, keeps nothing)",
	.live_when_full = WHEN_FULL_DROP_NEWEST,
	.open = null_open,
	.submit = null_submit,
	.close = null_close,
};
