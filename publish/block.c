/* Hot path: no allocation, lock, system call or log. */
#include "publish/block.h"

#ifdef __SSE2__
#include <emmintrin.h>

enum { LINE = 64, AHEAD = 1024 };

void block_by_streams(uint8_t *to, const uint8_t *from)
{
	for (unsigned i = 0; i < BLOCK; i += LINE) {
		const __m128i *src = (const __m128i *)(from + i);
		__m128i *dst = (__m128i *)(to + i);

		_mm_stream_si128(dst, _mm_load_si128(src));
		_mm_stream_si128(dst + 1, _mm_load_si128(src + 1));
		_mm_stream_si128(dst + 2, _mm_load_si128(src + 2));
		_mm_stream_si128(dst + 3, _mm_load_si128(src + 3));
	}
	_mm_sfence(); /* the ring's release store orders other stores alone */
}

void block_by_stores(uint8_t *to, const uint8_t *from)
{
	for (unsigned i = 0; i < BLOCK; i += LINE) {
		const __m128i *src = (const __m128i *)(from + i);
		__m128i *dst = (__m128i *)(to + i);

		__asm__ __volatile__("prefetchw %0" : : "m"(to[i + AHEAD]));
		_mm_store_si128(dst, _mm_load_si128(src));
		_mm_store_si128(dst + 1, _mm_load_si128(src + 1));
		_mm_store_si128(dst + 2, _mm_load_si128(src + 2));
		_mm_store_si128(dst + 3, _mm_load_si128(src + 3));
	}
}
#else

void block_by_streams(uint8_t *to, const uint8_t *from)
{
	memcpy(to, from, BLOCK);
}

void block_by_stores(uint8_t *to, const uint8_t *from)
{
	memcpy(to, from, BLOCK);
}
#endif

enum block_way block_way = BLOCK_COPIED;
