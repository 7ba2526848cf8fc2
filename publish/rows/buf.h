/* buf: bytes being put together for a file or pipe: a large mapping of which only what is used
 * costs memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BUF_ROOM = 64 << 20 }; /* the largest event as JSON is a few MiB */

struct buf {
	char *p;
	size_t len;
	bool overflow; /* something did not fit; what is there ends before it */
};

/* buf_open maps BUF_ROOM bytes. Returns  0, or -ENOMEM */
int buf_open(struct buf *buf);
void buf_close(struct buf *buf);

static inline void buf_put(struct buf *buf, const void *p, size_t len)
{
	if (len > BUF_ROOM - buf->len) {
		buf->overflow = true;
		return;
	}
	if (len)
		memcpy(buf->p + buf->len, p, len);
	buf->len += len;
}

static inline void buf_char(struct buf *buf, char c)
{
	buf_put(buf, &c, 1);
}

static inline void buf_text(struct buf *buf, const char *text)
{
	buf_put(buf, text, strlen(text));
}

void buf_u64(struct buf *buf, uint64_t v);
void buf_i64(struct buf *buf, int64_t v);

/* buf_double writes the shortest text that reads back as the same double (or float, if single).
 * Takes    v: finite */
void buf_double(struct buf *buf, double v, bool single);

/* buf_decimal writes v / 10^decimals, without trailing zeros: 12.34. */
void buf_decimal(struct buf *buf, int64_t v, unsigned decimals);

/* buf_printf is for what is rare. */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
