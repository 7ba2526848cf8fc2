/* capture_files: composes capture files in memory, and reads sources to their end. For tests. */
#pragma once

#include "capture/replay/replay.h"

enum { FILE_MAX = 4 * 1024 * 1024 };

/* file grows in memory; swapped: written in the other byte order. */
struct file {
	uint8_t *bytes;
	size_t len;
	bool swapped;
};

struct file file_new(bool swapped);
void file_free(struct file *f);
void file_put(struct file *f, const void *bytes, size_t len);
void file_u16(struct file *f, uint16_t v);
void file_u32(struct file *f, uint32_t v);
void file_u64(struct file *f, uint64_t v);

/* pcap: magic is 0xa1b2c3d4 (µs) or 0xa1b23c4d (ns); fraction is in its unit. */
void pcap_header(struct file *f, uint32_t magic, uint32_t link);
void pcap_packet(struct file *f, uint32_t sec, uint32_t fraction, const void *data, uint32_t caplen,
	uint32_t wire_len);

/* pcapng: a block around body, whose fields are in f's byte order already. */
void ng_block(struct file *f, uint32_t type, const void *body, size_t len);
void ng_section(struct file *f);

/* ng_interface: tsresol and offset_s become options where they are not 0. */
void ng_interface(
	struct file *f, uint16_t link, uint32_t snaplen, uint8_t tsresol, int64_t offset_s);
void ng_packet(struct file *f, uint32_t interface, uint64_t units, const void *data,
	uint32_t caplen, uint32_t wire_len);

/* folder_remove removes a folder with all that is in it. */
void folder_remove(const char *path);

/* gzip returns f compressed as one member. */
struct file file_gzip(const struct file *f);
/* file_zstd returns f compressed as one frame without a checksum. */
struct file file_zstd(const struct file *f);

/* outcome is all that a source gave. */
struct outcome {
	int rc; /* of opening, or of the burst that failed */
	enum source_end end;
	char error[256];
	unsigned n;
	uint64_t bytes, wire_bytes;
	uint64_t ts_min, ts_max;
	uint64_t hash;   /* over every field and byte of every packet, in order */
	uint64_t offset; /* replay: where reading stopped */
	struct source_stats stats;
	unsigned first_n; /* the first packets, their data in one copy */
	struct packet first[32];
	uint8_t data[32][64];
};

/* source_drain reads src to its end and closes it. */
void source_drain(struct source *src, struct outcome *out);

/* read_memory opens an exactly sized copy of the bytes, so that a sanitizer sees a read beyond
 * them. */
struct outcome read_memory(
	const void *bytes, size_t len, bool streamed, const struct source_options *opt);
struct outcome read_path(const char *path, const struct source_options *opt);

extern const struct source_options read_once; /* everything, once, one worker */
