#include "decode/tcp/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static uint32_t power_of_two_from(uint64_t n)
{
	uint32_t p = 2;

	while (p < n)
		p *= 2;
	return p;
}

int tcp_init(struct tcp_table *table, const struct tcp_options *opt)
{
	uint32_t slots_n;

	*table = (struct tcp_table){.opt = *opt};
	if (!opt->flows_max || opt->flows_max > 1u << 30 || !opt->buffers_max || !opt->unit_max)
		return -EINVAL;
	slots_n = power_of_two_from(2 * (uint64_t)opt->flows_max);
	table->slots_mask = slots_n - 1;
	table->slots = calloc(slots_n, sizeof(*table->slots));
	table->dirs = calloc(opt->flows_max, sizeof(*table->dirs));
	table->spare = calloc(opt->flows_max, sizeof(*table->spare));
	table->buffers = calloc(opt->buffers_max, sizeof(*table->buffers));
	table->buffer_memory =
		malloc((size_t)opt->buffers_max * opt->unit_max); /* touched when used */
	if (!table->slots || !table->dirs || !table->spare || !table->buffers ||
		!table->buffer_memory) {
		tcp_free(table);
		return -ENOMEM;
	}
	/* so that nobody outside can choose addresses that all meet in one place; 0 would do too */
	if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) < 0)
		table->seed = 0;
	tcp_reset(table);
	return 0;
}

void tcp_free(struct tcp_table *table)
{
	free(table->slots);
	free(table->dirs);
	free(table->spare);
	free(table->buffers);
	free(table->buffer_memory);
	*table = (struct tcp_table){0};
}

void tcp_reset(struct tcp_table *table)
{
	uint32_t i;

	for (i = 0; i < table->dirs_n; i++)
		table->counts.bytes_dropped += table->dirs[i].held;
	memset(table->slots, 0, (table->slots_mask + (size_t)1) * sizeof(*table->slots));
	table->dirs_n = 0;
	table->spare_n = 0;
	table->hand = 0;
	for (i = 0; i < table->opt.buffers_max; i++)
		table->buffers[i] = table->buffer_memory + (size_t)i * table->opt.unit_max;
	table->buffers_n = table->opt.buffers_max;
}
