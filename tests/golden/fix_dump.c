/* fix_dump FILE: what our decoder makes of a capture (pcap) or a file of FIX messages, as JSON
 * lines. For each packet with bytes that are no message there is a line
 * {"packet":N,"skipped":BYTES}. The last line holds the counters. Decodes in one way whatever the
 * file is cut into: with a second argument N, text is fed N bytes at a time. */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/event_check.h"
#include "tests/support/fix_rig.h"

static void print(struct fix_rig *rig)
{
	fix_rig_flush(rig);
	fwrite(rig->text, 1, rig->text_len, stdout);
	fix_rig_clear(rig);
}

static void dump_capture(struct fix_rig *rig, pcap_t *capture)
{
	struct pcap_pkthdr *header;
	const uint8_t *data;
	struct frame f;

	while (pcap_next_ex(capture, &header, &data) == 1) {
		uint64_t skipped = rig->streams.fix.counts.bytes_skipped;

		rig->packet++;
		if (frame_parse(bytes_of(data, header->caplen),
			    (enum link_type)pcap_datalink(capture), &f) == 0 &&
			f.ip_proto == 6)
			tcp_streams_segment(&rig->streams, &f,
				(uint64_t)header->ts.tv_sec * 1000000000 +
					(uint64_t)header->ts.tv_usec * 1000);
		print(rig);
		skipped = rig->streams.fix.counts.bytes_skipped - skipped;
		if (skipped)
			printf("{\"packet\":%llu,\"skipped\":%llu}\n",
				(unsigned long long)rig->packet, (unsigned long long)skipped);
	}
}

static void dump_text(struct fix_rig *rig, FILE *file, size_t chunk)
{
	uint8_t *bytes = malloc(chunk);
	uint64_t offset = 0;
	size_t len;

	if (!bytes)
		abort();
	while ((len = fread(bytes, 1, chunk, file)) > 0) {
		tcp_streams_text(&rig->streams, bytes_of(bytes, len), 0, offset, 0);
		offset += len;
		print(rig);
	}
	free(bytes);
}

int main(int argc, char **argv)
{
	char error[PCAP_ERRBUF_SIZE];
	struct fix_rig rig;
	pcap_t *capture;
	FILE *file;

	if (argc < 2 || !(file = fopen(argv[1], "rb"))) {
		fprintf(stderr, "usage: fix_dump FILE [BYTES]\n");
		return 2;
	}
	fix_rig_init(&rig, 65536);
	rig.check = event_check;
	capture = pcap_open_offline(argv[1], error);
	if (capture)
		dump_capture(&rig, capture);
	else
		dump_text(&rig, file, argc > 2 ? strtoul(argv[2], NULL, 10) : 65536);
	tcp_streams_end(&rig.streams);
	print(&rig);
	printf("{\"messages_in\":%llu,\"messages_out\":%llu,\"garbled\":%llu,\"bytes_skipped\":%"
	       "llu,"
	       "\"bytes_in\":%llu,\"bytes_out\":%llu,\"retransmits\":%llu,\"late\":%llu,\"holes\":%"
	       "llu}\n",
		(unsigned long long)rig.streams.fix.counts.messages_in,
		(unsigned long long)rig.streams.fix.counts.messages_out,
		(unsigned long long)rig.streams.fix.counts.dropped[REASON_garbled],
		(unsigned long long)rig.streams.fix.counts.bytes_skipped,
		(unsigned long long)rig.streams.fix.counts.bytes_in,
		(unsigned long long)rig.streams.fix.counts.bytes_out,
		(unsigned long long)rig.streams.tcp.counts.dropped[REASON_tcp_retransmit],
		(unsigned long long)rig.streams.tcp.counts.dropped[REASON_tcp_late],
		(unsigned long long)rig.streams.tcp.counts.holes);
	if (capture)
		pcap_close(capture);
	fclose(file);
	fix_rig_free(&rig);
	return 0;
}
