#include "capture/filter.h"
#include "decode/frame.h"

#include <errno.h>
#include <linux/filter.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SNAPLEN = 256 * 1024,
	PROGRAMS_MAX = 64,       /* link types one filter may meet */
	KERNEL_INSNS_MAX = 4096, /* BPF_MAXINSNS of the kernel */
};

struct filter_program {
	uint16_t link;
	bool ok;
	struct bpf_program bpf;
	char error[256];
};

/* programs are appended under the lock and never change afterwards. */
struct filter {
	char *expression;
	pthread_mutex_t lock;
	unsigned programs_n;
	struct filter_program *programs[PROGRAMS_MAX];
};

/* dlt is libpcap's number for a link type of a file; they differ for raw IP alone. */
static int dlt(uint16_t link)
{
	return link == LINK_RAW ? DLT_RAW : link;
}

static struct filter_program *program_make(const char *expression, uint16_t link)
{
	struct filter_program *program = calloc(1, sizeof(*program));
	pcap_t *handle;

	if (program == NULL)
		return NULL;
	program->link = link;
	handle = pcap_open_dead(dlt(link), SNAPLEN);
	if (handle == NULL) {
		free(program);
		return NULL;
	}
	program->ok = pcap_compile(handle, &program->bpf, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
	if (!program->ok)
		snprintf(program->error, sizeof(program->error), "filter \"%.100s\": %.120s",
			expression, pcap_geterr(handle));
	pcap_close(handle);
	return program;
}

static void program_free(struct filter_program *program)
{
	if (program->ok)
		pcap_freecode(&program->bpf);
	free(program);
}

const struct filter_program *filter_program(struct filter *filter, uint16_t link, char error[256])
{
	struct filter_program *program = NULL;

	pthread_mutex_lock(&filter->lock);
	for (unsigned i = 0; i < filter->programs_n && program == NULL; i++) {
		if (filter->programs[i]->link == link)
			program = filter->programs[i];
	}
	if (program == NULL && filter->programs_n < PROGRAMS_MAX) {
		program = program_make(filter->expression, link);
		if (program)
			filter->programs[filter->programs_n++] = program;
	}
	pthread_mutex_unlock(&filter->lock);
	if (program && program->ok)
		return program;
	snprintf(error, 256, "%s",
		program ? program->error : "filter: no memory, or too many link types");
	return NULL;
}

int filter_open(struct filter **out, const char *expression, char error[256])
{
	struct filter *filter = calloc(1, sizeof(*filter));

	if (filter)
		filter->expression = strdup(expression);
	if (filter == NULL || filter->expression == NULL) {
		free(filter);
		snprintf(error, 256, "filter: no memory");
		return -ENOMEM;
	}
	pthread_mutex_init(&filter->lock, NULL);
	if (filter_program(filter, LINK_ETHERNET, error) == NULL) {
		filter_close(filter);
		return -EINVAL;
	}
	*out = filter;
	return 0;
}

void filter_close(struct filter *filter)
{
	if (filter == NULL)
		return;
	for (unsigned i = 0; i < filter->programs_n; i++)
		program_free(filter->programs[i]);
	pthread_mutex_destroy(&filter->lock);
	free(filter->expression);
	free(filter);
}

const char *filter_expression(const struct filter *filter)
{
	return filter->expression;
}

bool filter_match(const struct filter_program *program, const struct packet *pkt)
{
	return program &&
	       bpf_filter(program->bpf.bf_insns, pkt->data, pkt->wire_len, pkt->caplen) != 0;
}

void filter_use_link(struct filter_use *use, uint16_t link)
{
	char error[256];

	use->program = filter_program(use->filter, link, error);
	use->link_next = link + 1u;
}

int filter_kernel(const struct filter *filter, const char *iface, uint16_t link, uint32_t accept,
	struct sock_fprog *prog, char error[256])
{
	char pcap_error[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program bpf;
	int rc = -EINVAL;
	pcap_t *handle = pcap_create(iface, pcap_error);

	if (handle == NULL) {
		snprintf(error, 256, "%.64s: filter: %.150s", iface, pcap_error);
		return -ENODEV;
	}
	pcap_set_snaplen(handle, (int)accept);
	if (pcap_activate(handle) < 0 ||
		pcap_compile(handle, &bpf, filter->expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		snprintf(error, 256, "%.64s: filter \"%.60s\": %.100s", iface, filter->expression,
			pcap_geterr(handle));
		goto close;
	}
	if (pcap_datalink(handle) != dlt(link)) {
		snprintf(error, 256, "%.64s: filters are not possible on this kind of interface",
			iface);
		goto free;
	}
	if (bpf.bf_len > KERNEL_INSNS_MAX) {
		snprintf(error, 256,
			"%.64s: filter \"%.60s\": %u instructions, the kernel takes %d; "
			"make it shorter",
			iface, filter->expression, bpf.bf_len, KERNEL_INSNS_MAX);
		rc = -E2BIG;
		goto free;
	}
	_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "the same layout");
	prog->len = (unsigned short)bpf.bf_len;
	prog->filter = malloc(bpf.bf_len * sizeof(struct sock_filter));
	rc = prog->filter ? 0 : -ENOMEM;
	if (prog->filter)
		memcpy(prog->filter, bpf.bf_insns, bpf.bf_len * sizeof(struct sock_filter));
	else
		snprintf(error, 256, "%.64s: filter: no memory", iface);
free:
	pcap_freecode(&bpf);
close:
	pcap_close(handle);
	return rc;
}
