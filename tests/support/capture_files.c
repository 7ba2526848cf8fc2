#define _GNU_SOURCE
#include "tests/support/capture_files.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

const struct source_options read_once = {.loops = 1, .workers = 1};

struct file file_new(bool swapped)
{
	return (struct file){malloc(FILE_MAX), 0, swapped};
}

void file_free(struct file *f)
{
	free(f->bytes);
}

void file_put(struct file *f, const void *bytes, size_t len)
{
	if (f->len + len > FILE_MAX)
		abort();
	if (len)
		memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
}

void file_u16(struct file *f, uint16_t v)
{
	v = f->swapped ? __builtin_bswap16(v) : v;
	file_put(f, &v, sizeof(v));
}

void file_u32(struct file *f, uint32_t v)
{
	v = f->swapped ? __builtin_bswap32(v) : v;
	file_put(f, &v, sizeof(v));
}

void file_u64(struct file *f, uint64_t v)
{
	v = f->swapped ? __builtin_bswap64(v) : v;
	file_put(f, &v, sizeof(v));
}

void pcap_header(struct file *f, uint32_t magic, uint32_t link)
{
	file_u32(f, magic);
	file_u16(f, 2);
	file_u16(f, 4);
	file_u64(f, 0);
	file_u32(f, 65535);
	file_u32(f, link);
}

void pcap_packet(struct file *f, uint32_t sec, uint32_t fraction, const void *data, uint32_t caplen,
	uint32_t wire_len)
{
	file_u32(f, sec);
	file_u32(f, fraction);
	file_u32(f, caplen);
	file_u32(f, wire_len);
	file_put(f, data, caplen);
}

void ng_block(struct file *f, uint32_t type, const void *body, size_t len)
{
	static const uint8_t zeros[4];
	size_t padding = (4 - len % 4) % 4;

	file_u32(f, type);
	file_u32(f, (uint32_t)(len + padding + 12));
	file_put(f, body, len);
	file_put(f, zeros, padding);
	file_u32(f, (uint32_t)(len + padding + 12));
}

void ng_section(struct file *f)
{
	struct file body = file_new(f->swapped);

	file_u32(&body, 0x1a2b3c4d);
	file_u16(&body, 1);
	file_u16(&body, 0);
	file_u64(&body, UINT64_MAX);
	ng_block(f, 0x0a0d0d0a, body.bytes, body.len);
	file_free(&body);
}

void ng_interface(
	struct file *f, uint16_t link, uint32_t snaplen, uint8_t tsresol, int64_t offset_s)
{
	struct file body = file_new(f->swapped);

	file_u16(&body, link);
	file_u16(&body, 0);
	file_u32(&body, snaplen);
	file_u16(&body, 2); /* if_name "eth0" */
	file_u16(&body, 4);
	file_put(&body, "eth0", 4);
	if (tsresol) {
		file_u16(&body, 9);
		file_u16(&body, 1);
		file_put(&body, (uint8_t[]){tsresol, 0, 0, 0}, 4);
	}
	if (offset_s) {
		file_u16(&body, 14);
		file_u16(&body, 8);
		file_u64(&body, (uint64_t)offset_s);
	}
	file_u32(&body, 0); /* end of options */
	ng_block(f, 1, body.bytes, body.len);
	file_free(&body);
}

void ng_packet(struct file *f, uint32_t interface, uint64_t units, const void *data,
	uint32_t caplen, uint32_t wire_len)
{
	struct file body = file_new(f->swapped);

	file_u32(&body, interface);
	file_u32(&body, (uint32_t)(units >> 32));
	file_u32(&body, (uint32_t)units);
	file_u32(&body, caplen);
	file_u32(&body, wire_len);
	file_put(&body, data, caplen);
	ng_block(f, 6, body.bytes, body.len);
	file_free(&body);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void folder_remove(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct file file_gzip(const struct file *f)
{
	struct file out = file_new(false);
	z_stream z = {.next_in = f->bytes,
		.avail_in = (uInt)f->len,
		.next_out = out.bytes,
		.avail_out = FILE_MAX};

	if (deflateInit2(&z, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
		deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	out.len = FILE_MAX - z.avail_out;
	deflateEnd(&z);
	return out;
}

struct file file_zstd(const struct file *f)
{
	struct file out = file_new(false);

	out.len = ZSTD_compress(out.bytes, FILE_MAX, f->bytes, f->len, 1);
	if (ZSTD_isError(out.len))
		abort();
	return out;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	return hash;
}

static void outcome_add(struct outcome *out, const struct packet *pkt)
{
	uint64_t facts[] = {pkt->caplen, pkt->wire_len, pkt->ts_recv_ns, pkt->seq, pkt->link,
		pkt->port, pkt->kind, pkt->ts_quality, pkt->round};

	out->hash = mix(out->hash, facts, sizeof(facts));
	out->hash = mix(out->hash, pkt->data, pkt->caplen);
	out->bytes += pkt->caplen;
	out->wire_bytes += pkt->wire_len;
	out->ts_min = out->n == 0 || pkt->ts_recv_ns < out->ts_min ? pkt->ts_recv_ns : out->ts_min;
	out->ts_max = out->n == 0 || pkt->ts_recv_ns > out->ts_max ? pkt->ts_recv_ns : out->ts_max;
	if (out->n < 32) {
		out->first[out->n] = *pkt;
		if (pkt->caplen)
			memcpy(out->data[out->n], pkt->data, pkt->caplen < 64 ? pkt->caplen : 64);
		out->first[out->n].data = NULL;
		out->first_n++;
	}
	out->n++;
}

void source_drain(struct source *src, struct outcome *out)
{
	struct packet pkts[BURST_MAX];

	while (src->end == SOURCE_RUNNING) {
		out->rc = src->ops->burst(src, pkts, BURST_MAX);
		if (out->rc < 0)
			break;
		for (int i = 0; i < out->rc; i++)
			outcome_add(out, &pkts[i]);
		if (out->rc == 0)
			src->ops->wait(src, 1000);
	}
	out->end = src->end;
	snprintf(out->error, sizeof(out->error), "%s", src->error);
	src->ops->stats(src, &out->stats);
	if (strcmp(src->ops->name, "replay") == 0)
		out->offset = input_offset(&((struct replay *)src)->file.in);
	src->ops->close(src);
}

struct outcome read_memory(
	const void *bytes, size_t len, bool streamed, const struct source_options *opt)
{
	uint8_t *exact = malloc(len ? len : 1);
	struct outcome out = {0};
	struct source *src;

	if (len)
		memcpy(exact, bytes, len);
	out.rc = replay_open_memory(&src, bytes_of(exact, len), streamed, opt, out.error);
	if (out.rc == 0)
		source_drain(src, &out);
	free(exact);
	return out;
}

struct outcome read_path(const char *path, const struct source_options *opt)
{
	struct outcome out = {0};
	struct source *src;

	out.rc = source_open_replay(&src, path, opt, out.error);
	if (out.rc == 0)
		source_drain(src, &out);
	return out;
}
