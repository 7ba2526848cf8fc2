/* unpack: gzip and zstd streams become plain bytes, a piece at a time. */
#pragma once

#include "base/bytes.h"

enum packing { PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };

/* packing_of tells by the first bytes of a file (four are enough) how it is compressed. */
enum packing packing_of(struct bytes head);
const char *packing_name(enum packing packing); /* "gzip"; static text */

/* unpack is one stream: members (gzip) or frames (zstd) one behind the other.
 *
 * Owns     the library's state
 * Thread   one */
struct unpack {
	enum packing packing; /* PACKING_NONE: not open */
	bool inside;          /* a member or frame has begun and not ended */
	bool pending;         /* the library may hold bytes that found no room */
	const char *why;      /* static text: the stream is damaged, and how */
	size_t wanted;        /* zstd: bytes that the library asks for next */
	struct z_stream_s *gzip;
	struct ZSTD_DCtx_s *zstd;
};

/* unpack_open begins a stream. Returns  0, or -ENOMEM with nothing to close */
int unpack_open(struct unpack *u, enum packing packing);
void unpack_rewind(struct unpack *u);
void unpack_close(struct unpack *u);

/* unpack_some turns some of raw, which it takes, into at most room bytes at out. raw may be empty
 * only while pending.
 *
 * Returns  bytes made; u->why is set when what follows them cannot be unpacked */
size_t unpack_some(struct unpack *u, struct bytes *raw, uint8_t *out, size_t room);
