#include "tests/sim/itch/itch.h"

#include <string.h>

/* be writes the low n bytes of v, most significant first. */
static void be(uint8_t *p, uint64_t v, int n)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

/* alpha writes text left-justified and padded with spaces. */
static void alpha(uint8_t *p, const char *text, size_t n)
{
	size_t len = strnlen(text, n);

	memcpy(p, text, len);
	memset(p + len, ' ', n - len);
}

static size_t directory(uint8_t *p, const struct instrument *inst)
{
	alpha(p + 11, inst->symbol, 8);
	p[19] = (uint8_t)inst->category;
	p[20] = (uint8_t)inst->financial;
	be(p + 21, inst->round_lot, 4);
	p[25] = 'N';
	p[26] = (uint8_t)inst->issue;
	alpha(p + 27, inst->subtype, 2);
	p[29] = 'P';
	p[30] = (uint8_t)inst->short_sale;
	p[31] = (uint8_t)inst->ipo;
	p[32] = (uint8_t)inst->luld_tier;
	p[33] = (uint8_t)inst->etp;
	be(p + 34, 0, 4);
	p[38] = 'N';
	return 39;
}

size_t itch_write(uint8_t *p, const struct msg *msg, uint64_t midnight_ns)
{
	const char *stock = msg->inst ? msg->inst->symbol : "";

	p[0] = (uint8_t)msg->type;
	be(p + 1, msg->locate, 2);
	be(p + 3, msg->tracking, 2);
	be(p + 5, msg->ts_ns - midnight_ns, 6);
	switch (msg->type) {
	case 'S':
	case 'W':
		p[11] = (uint8_t)msg->code;
		return 12;
	case 'R':
		return directory(p, msg->inst);
	case 'H':
		alpha(p + 11, stock, 8);
		p[19] = (uint8_t)msg->code;
		p[20] = ' ';
		alpha(p + 21, msg->reason, 4);
		return 25;
	case 'Y':
		alpha(p + 11, stock, 8);
		p[19] = (uint8_t)msg->code;
		return 20;
	case 'L':
		alpha(p + 11, msg->mpid, 4);
		alpha(p + 15, stock, 8);
		p[23] = (uint8_t)msg->flag;
		p[24] = (uint8_t)msg->mode;
		p[25] = (uint8_t)msg->state;
		return 26;
	case 'V':
		be(p + 11, msg->level_e8[0], 8);
		be(p + 19, msg->level_e8[1], 8);
		be(p + 27, msg->level_e8[2], 8);
		return 35;
	case 'K':
		alpha(p + 11, stock, 8);
		be(p + 19, msg->release_s, 4);
		p[23] = (uint8_t)msg->code;
		be(p + 24, msg->price, 4);
		return 28;
	case 'J':
		alpha(p + 11, stock, 8);
		be(p + 19, msg->reference, 4);
		be(p + 23, msg->upper, 4);
		be(p + 27, msg->lower, 4);
		be(p + 31, msg->extension, 4);
		return 35;
	case 'h':
		alpha(p + 11, stock, 8);
		p[19] = (uint8_t)msg->flag;
		p[20] = (uint8_t)msg->code;
		return 21;
	case 'A':
	case 'F':
		be(p + 11, msg->ref, 8);
		p[19] = (uint8_t)msg->side;
		be(p + 20, msg->shares, 4);
		alpha(p + 24, stock, 8);
		be(p + 32, msg->price, 4);
		if (msg->type == 'A')
			return 36;
		alpha(p + 36, msg->mpid, 4);
		return 40;
	case 'E':
	case 'C':
		be(p + 11, msg->ref, 8);
		be(p + 19, msg->shares, 4);
		be(p + 23, msg->match, 8);
		if (msg->type == 'E')
			return 31;
		p[31] = (uint8_t)msg->code;
		be(p + 32, msg->price, 4);
		return 36;
	case 'X':
		be(p + 11, msg->ref, 8);
		be(p + 19, msg->shares, 4);
		return 23;
	case 'D':
		be(p + 11, msg->ref, 8);
		return 19;
	case 'U':
		be(p + 11, msg->ref, 8);
		be(p + 19, msg->new_ref, 8);
		be(p + 27, msg->shares, 4);
		be(p + 31, msg->price, 4);
		return 35;
	case 'P':
		be(p + 11, msg->ref, 8);
		p[19] = (uint8_t)msg->side;
		be(p + 20, msg->shares, 4);
		alpha(p + 24, stock, 8);
		be(p + 32, msg->price, 4);
		be(p + 36, msg->match, 8);
		return 44;
	case 'Q':
		be(p + 11, msg->shares, 8);
		alpha(p + 19, stock, 8);
		be(p + 27, msg->price, 4);
		be(p + 31, msg->match, 8);
		p[39] = (uint8_t)msg->code;
		return 40;
	case 'B':
		be(p + 11, msg->match, 8);
		return 19;
	case 'I':
		be(p + 11, msg->shares, 8);
		be(p + 19, msg->imbalance, 8);
		p[27] = (uint8_t)msg->side;
		alpha(p + 28, stock, 8);
		be(p + 36, msg->far, 4);
		be(p + 40, msg->price, 4);
		be(p + 44, msg->reference, 4);
		p[48] = (uint8_t)msg->code;
		p[49] = (uint8_t)msg->flag;
		return 50;
	case 'N':
		alpha(p + 11, stock, 8);
		p[19] = (uint8_t)msg->side;
		return 20;
	default: /* O */
		alpha(p + 11, stock, 8);
		p[19] = (uint8_t)msg->code;
		be(p + 20, msg->far, 4);
		be(p + 24, msg->reference, 4);
		be(p + 28, msg->price, 4);
		be(p + 32, msg->near_ns, 8);
		be(p + 40, msg->lower, 4);
		be(p + 44, msg->upper, 4);
		return 48;
	}
}
