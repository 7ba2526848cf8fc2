/* Hot path: no allocation, lock, system call or log. */
#include "decode/fix/fix_scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

void fix_scan_scalar(struct bytes in, uint32_t *soh, struct fix_scan *scan)
{
	uint32_t i, len = (uint32_t)bytes_len(in);
	uint8_t high = 0;
	bool zero = false;

	*scan = (struct fix_scan){0};
	for (i = 0; i < len; i++) {
		scan->sum += in.p[i];
		high |= in.p[i];
		zero |= in.p[i] == 0;
		soh[scan->soh_n] = i;
		scan->soh_n += in.p[i] == FIX_SOH;
	}
	scan->ascii = high < 0x80 && !zero;
}

#ifdef __SSE2__
/* wide is what a scan has gathered so far. */
struct wide {
	__m128i sum, odd; /* odd: bit 7 of a byte is set when one was not ASCII */
	uint32_t *soh;
	uint32_t soh_n;
};

static inline void scan_block(struct wide *w, const uint8_t *p, uint32_t at)
{
	const __m128i soh = _mm_set1_epi8(FIX_SOH), zero = _mm_setzero_si128();
	uint64_t found = 0;
	uint32_t n;
	unsigned i;

	for (i = 0; i < 4; i++) {
		__m128i v = _mm_loadu_si128((const __m128i *)(p + 16 * i));

		w->sum = _mm_add_epi64(w->sum, _mm_sad_epu8(v, zero));
		w->odd = _mm_or_si128(w->odd, _mm_or_si128(v, _mm_cmpeq_epi8(v, zero)));
		found |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, soh)) << 16 * i;
	}
	n = (uint32_t)__builtin_popcountll(found);
	/* eight at a time, since a loop's end is never foreseen; what is too much is overwritten */
	for (uint32_t *to = w->soh + w->soh_n; found; to += 8) {
#pragma GCC unroll 8
		for (i = 0; i < 8; i++) {
			to[i] = at + (uint32_t)__builtin_ctzll(found | 1ull << 63);
			found &= found - 1;
		}
	}
	w->soh_n += n;
}

void fix_scan(struct bytes in, uint32_t *soh, struct fix_scan *scan)
{
	struct wide w = {_mm_setzero_si128(), _mm_setzero_si128(), soh, 0};
	uint32_t at = 0, len = (uint32_t)bytes_len(in);
	uint8_t tail[64];
	uint64_t sum[2];

	for (; at + sizeof(tail) <= len; at += sizeof(tail))
		scan_block(&w, in.p + at, at);
	if (at < len) {
		memset(tail, ' ', sizeof(tail));
		memcpy(tail, in.p + at, len - at);
		scan_block(&w, tail, at);
		at += (uint32_t)sizeof(tail);
	}
	_mm_storeu_si128((__m128i *)sum, w.sum);
	scan->sum = (uint32_t)(sum[0] + sum[1]) - ' ' * (at - len);
	scan->soh_n = w.soh_n;
	scan->ascii = _mm_movemask_epi8(w.odd) == 0;
}
#else
void fix_scan(struct bytes in, uint32_t *soh, struct fix_scan *scan)
{
	fix_scan_scalar(in, soh, scan);
}
#endif
