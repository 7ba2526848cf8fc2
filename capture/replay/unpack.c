#include "capture/replay/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum {
	GZIP_WINDOW = 16 + 15, /* zlib: 15 bits, gzip header and checksum verified */
	TAKE_MAX = 1 << 20,    /* of raw at once: zlib counts in 32 bits */
	ZSTD_MAGIC_LEN = 4,
	HEAD_LEN = 3, /* of a zstd block */
};

/* RFC 8878, section 3.1: a frame, or one of 16 kinds that are to be skipped */
static const uint32_t zstd_magic = 0xfd2fb528, zstd_skippable = 0x184d2a50;

enum packing packing_of(struct bytes head)
{
	if (bytes_has(head, 2) && head.p[0] == 0x1f && head.p[1] == 0x8b)
		return PACKING_GZIP;
	if (bytes_has(head, ZSTD_MAGIC_LEN) &&
		(load_le32(head.p) == zstd_magic || (load_le32(head.p) & ~15u) == zstd_skippable))
		return PACKING_ZSTD;
	return PACKING_NONE;
}

const char *packing_name(enum packing packing)
{
	return packing == PACKING_GZIP ? "gzip" : packing == PACKING_ZSTD ? "zstd" : "plain";
}

int unpack_open(struct unpack *u, enum packing packing)
{
	*u = (struct unpack){.packing = packing};
	if (packing == PACKING_ZSTD) {
		u->zstd = ZSTD_createDCtx();
		return u->zstd ? 0 : -ENOMEM;
	}
	u->inside = true; /* an empty file was not recognised */
	u->gzip = calloc(1, sizeof(*u->gzip));
	if (u->gzip && inflateInit2(u->gzip, GZIP_WINDOW) == Z_OK)
		return 0;
	free(u->gzip);
	*u = (struct unpack){0};
	return -ENOMEM;
}

void unpack_rewind(struct unpack *u)
{
	u->why = NULL;
	u->pending = false;
	u->inside = u->packing == PACKING_GZIP;
	if (u->packing == PACKING_GZIP)
		inflateReset(u->gzip);
	else if (u->packing == PACKING_ZSTD)
		ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only);
}

void unpack_close(struct unpack *u)
{
	if (u->gzip)
		inflateEnd(u->gzip);
	free(u->gzip);
	ZSTD_freeDCtx(u->zstd);
	*u = (struct unpack){0};
}

/* Members follow each other; zero bytes may pad them. */
static size_t gzip_some(struct unpack *u, struct bytes *raw, uint8_t *out, size_t room)
{
	z_stream *z = u->gzip;
	int rc;

	if (!u->inside) {
		while (bytes_len(*raw) > 0 && *raw->p == 0)
			raw->p++;
		if (bytes_len(*raw) == 0)
			return 0;
		inflateReset(z);
		u->inside = true;
	}
	z->next_out = out;
	z->avail_out = (uInt)room;
	z->next_in = (Bytef *)(uintptr_t)raw->p;
	z->avail_in = bytes_len(*raw) < TAKE_MAX ? (uInt)bytes_len(*raw) : TAKE_MAX;
	rc = inflate(z, Z_NO_FLUSH);
	raw->p = z->next_in;
	if (rc == Z_STREAM_END)
		u->inside = false;
	else if (rc != Z_OK && rc != Z_BUF_ERROR)
		u->why = z->msg ? z->msg : "wrong data";
	return room - z->avail_out;
}

/* A call that fails takes back what it has made before: so a call gets one piece (head of a frame or
 * of a block, or a block), and all that lies before damage comes out. What the library asks for next
 * is a block with the head of the one behind. */
static size_t zstd_some(struct unpack *u, struct bytes *raw, uint8_t *out, size_t room)
{
	size_t piece = !u->inside             ? ZSTD_MAGIC_LEN
		       : u->wanted > HEAD_LEN ? u->wanted - HEAD_LEN
					      : u->wanted;
	ZSTD_inBuffer in = {raw->p, bytes_len(*raw), 0};
	ZSTD_outBuffer made = {out, room, 0};

	if (u->pending)
		piece = 0;
	if (in.size > piece)
		in.size = piece;
	u->wanted = ZSTD_decompressStream(u->zstd, &made, &in);
	raw->p += in.pos;
	if (ZSTD_isError(u->wanted))
		u->why = ZSTD_getErrorName(u->wanted);
	u->inside = u->wanted != 0;
	return made.pos;
}

size_t unpack_some(struct unpack *u, struct bytes *raw, uint8_t *out, size_t room)
{
	size_t made = u->packing == PACKING_GZIP ? gzip_some(u, raw, out, room)
						 : zstd_some(u, raw, out, room);

	u->pending = u->inside && made == room;
	return made;
}
