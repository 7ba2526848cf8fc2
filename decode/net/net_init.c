/* Memory of the look at packets: at start and at the end. */
#include "decode/net/net.h"

#include <errno.h>
#include <stdlib.h>

enum { QUESTION_WAIT_S = 10 };

int dns_table_init(struct dns_table *table, uint32_t size, uint64_t wait_ns)
{
	*table = (struct dns_table){.mask = size - 1, .wait_ns = wait_ns};
	table->questions = calloc(size, sizeof(*table->questions));
	table->slots = calloc(size, sizeof(*table->slots));
	if (table->questions && table->slots)
		return 0;
	dns_table_free(table);
	return -ENOMEM;
}

void dns_table_free(struct dns_table *table)
{
	free(table->questions);
	free(table->slots);
	table->questions = NULL;
	table->slots = NULL;
}

int icmp_echoes_init(struct icmp_echoes *echoes)
{
	*echoes = (struct icmp_echoes){.slots = calloc(ECHOES, sizeof(*echoes->slots))};
	return echoes->slots ? 0 : -ENOMEM;
}

void icmp_echoes_free(struct icmp_echoes *echoes)
{
	free(echoes->slots);
	echoes->slots = NULL;
}

int net_init(struct net *net, const struct net_options *opt,
	void *(*stream_for)(void *ctx, uint32_t bucket), void *ctx, struct events *out)
{
	int rc;

	*net = (struct net){.opt = *opt, .out = out, .stream_for = stream_for, .ctx = ctx};
	if (!opt->transactions)
		return 0;
	rc = dns_table_init(&net->dns, opt->questions_max, QUESTION_WAIT_S * 1000000000ull);
	if (rc < 0)
		return rc;
	rc = icmp_echoes_init(&net->echoes);
	if (rc < 0)
		net_free(net);
	return rc;
}

void net_free(struct net *net)
{
	dns_table_free(&net->dns);
	icmp_echoes_free(&net->echoes);
}

void net_end(struct net *net)
{
	dns_table_end(&net->dns, net->out);
	if (net->opt.packets || net->opt.transactions)
		events_flush(net->out);
}
