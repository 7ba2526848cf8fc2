#include "decode/feed/feed.h"

#include <errno.h>
#include <stdlib.h>

enum { HELD_CHANNELS = 64 }; /* so many may have a full window at a time */

int feed_table_init(struct feed_table *table, const struct feed_line *rows, uint32_t rows_n)
{
	if (rows_n > FEED_LINES_MAX)
		return -E2BIG;
	table->rows = calloc(FEED_LINES_MAX, sizeof(*table->rows));
	table->index = calloc(4 * FEED_LINES_MAX, sizeof(*table->index));
	if (!table->rows || !table->index) {
		feed_table_free(table);
		return -ENOMEM;
	}
	table->index_mask = 4 * FEED_LINES_MAX - 1;
	table->rows_n = 0;
	for (uint32_t i = 0; i < rows_n; i++)
		feed_table_add(table, &rows[i]);
	return 0;
}

void feed_table_free(struct feed_table *table)
{
	free(table->rows);
	free(table->index);
	*table = (struct feed_table){0};
}

int feeds_init(struct feeds *fs, const struct feed_options *opt, const struct feed_hooks *hooks,
	const struct feed_line *lines, uint32_t lines_n, struct events *out)
{
	int rc;

	*fs = (struct feeds){.opt = *opt, .hooks = *hooks};
	rc = channel_context_init(&fs->ctx, HELD_CHANNELS * opt->channel.window_packets, out);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < FEED_KNOWN_SLOTS; i++)
		fs->known[i].dst = UINT64_MAX; /* no destination */
	fs->ctx.opt = opt->channel;
	fs->ctx.session = hooks->session;
	fs->ctx.session_ctx = hooks->ctx;
	rc = -ENOMEM;
	fs->channels = calloc(opt->channels_max, sizeof(*fs->channels));
	fs->tries = calloc(FEED_TRIES_SLOTS, sizeof(*fs->tries));
	if (!fs->channels || !fs->tries)
		goto free_all;
	rc = feed_table_init(&fs->table, lines, lines_n);
	if (rc < 0)
		goto free_all;
	for (uint32_t i = 0; i < lines_n; i++) {
		struct feed_line *line = &fs->table.rows[i];

		line->state = feeds_channel(fs, line->protocol, line->venue, line->channel);
		if (line->state)
			line->state->lines_configured |= (uint8_t)(1 << line->line);
	}
	for (uint32_t i = 0; i < fs->channels_n && !opt->recognise; i++) {
		uint8_t bits = fs->channels[i].lines_configured;

		fs->channels[i].alone = (bits & (bits - 1)) == 0;
	}
	return 0;
free_all:
	feeds_free(fs);
	return rc;
}

void feeds_free(struct feeds *fs)
{
	for (uint32_t i = 0; i < fs->channels_n; i++)
		channel_free(&fs->channels[i]);
	free(fs->channels);
	free(fs->tries);
	feed_table_free(&fs->table);
	channel_context_free(&fs->ctx);
}
