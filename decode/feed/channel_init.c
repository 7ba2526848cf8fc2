#include "decode/feed/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

int channel_context_init(struct channel_context *ctx, uint32_t held_max, struct events *out)
{
	*ctx = (struct channel_context){.out = out, .held_n = held_max};
	/* a mapping, so that slots which are never used cost nothing */
	ctx->held = mmap(NULL, held_max * sizeof(*ctx->held), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ctx->held == MAP_FAILED) {
		ctx->held = NULL;
		return -ENOMEM;
	}
	return 0;
}

void channel_context_free(struct channel_context *ctx)
{
	if (ctx->held)
		munmap(ctx->held, ctx->held_n * sizeof(*ctx->held));
	ctx->held = NULL;
}

int channel_init(
	struct channel *ch, const struct protocol *protocol, const char *venue, uint32_t number)
{
	memset(ch, 0, sizeof(*ch));
	strncpy(ch->venue, venue, sizeof(ch->venue) - 1);
	ch->venue_len = (uint8_t)strlen(ch->venue);
	ch->number = number;
	return feed_state_init(&ch->state, protocol);
}

void channel_free(struct channel *ch)
{
	feed_state_free(&ch->state);
}
