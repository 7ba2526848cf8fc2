#include "tests/support/corpus.h"

#include "decode/frame.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

static void corpus_path(char *path, size_t size, const char *name)
{
	const char *root = getenv("PCAP_CORPUS");

	snprintf(path, size, "%s/%s", root ? root : "../shared/data", name);
}

static void skip(const char *name)
{
	printf("skip - %s: not there (set PCAP_CORPUS)\n", name);
	fflush(stdout);
}

struct bytes corpus_file(const char *name)
{
	char path[4096];
	uint8_t *data = NULL;
	long size = -1;
	FILE *f;

	corpus_path(path, sizeof(path), name);
	f = fopen(path, "rb");
	if (f && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	if (size < 0 || fseek(f, 0, SEEK_SET) != 0) {
		if (f)
			fclose(f);
		skip(name);
		return (struct bytes){NULL, NULL};
	}
	data = malloc((size_t)size + 1);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
		abort();
	data[size] = 0; /* for answers, which are text */
	fclose(f);
	return bytes_of(data, (size_t)size);
}

void corpus_free(struct bytes file)
{
	free((void *)(uintptr_t)file.p);
}

int corpus_datagrams(const char *name, void (*each)(void *ctx, struct bytes payload), void *ctx)
{
	char path[4096], error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const uint8_t *data;
	int packets = 0;
	pcap_t *pcap;

	corpus_path(path, sizeof(path), name);
	pcap = pcap_open_offline(path, error);
	if (!pcap) {
		skip(name);
		return -1;
	}
	while (pcap_next_ex(pcap, &head, &data) == 1) {
		struct frame f;

		if (frame_parse(bytes_of(data, head->caplen), (enum link_type)pcap_datalink(pcap),
			    &f) != 0)
			continue;
		if (f.ip_proto != 17)
			continue;
		packets++;
		each(ctx, f.payload);
	}
	pcap_close(pcap);
	return packets;
}

int corpus_type_counts(const char *name, uint64_t counts[static 256])
{
	struct bytes file = corpus_file(name);
	char *p, *end;
	int types = 0;

	if (!file.p)
		return 0;
	p = strstr((char *)(uintptr_t)file.p, "\"message_type_counts\"");
	end = p ? strchr(p, '}') : NULL;
	while (p && end) {
		p = strstr(p, ")\": ");
		if (!p || p > end || p[-2] != '(')
			break;
		counts[(uint8_t)p[-1]] = strtoull(p + 4, NULL, 10);
		types++;
		p += 4;
	}
	corpus_free(file);
	return types;
}
