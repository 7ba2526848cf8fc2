/* Hot path: no allocation, lock, system call or log. */
#include "decode/feed/session_name.h"

static const uint64_t day_ns = 86400ull * 1000000000ull;

/* decimal writes v and returns how many digits it took. */
static uint8_t decimal(char *out, uint64_t v)
{
	char digits[20];
	uint8_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	for (uint8_t i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

static struct str trimmed(struct str s)
{
	while (s.len && s.p[0] == ' ')
		s.p++, s.len--;
	while (s.len && s.p[s.len - 1] == ' ')
		s.len--;
	if (s.len >= SESSION_NAME_MAX)
		s.len = SESSION_NAME_MAX - 1;
	return s;
}

/* iso_week gives the ISO 8601 year and week of a day counted from 1970-01-01 (a Thursday). */
static void iso_week(int64_t day, int *year, int *week)
{
	int64_t thursday = day - (day + 3) % 7 + 3, d, y = 1970, len;

	for (d = thursday;; d -= len, y++) {
		len = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 ? 366 : 365;
		if (d < len)
			break;
	}
	*year = (int)y;
	*week = (int)(d / 7) + 1;
}

uint64_t wire_session(
	char name[SESSION_NAME_MAX], const struct protocol *protocol, const struct feed_packet *pkt)
{
	struct str text = trimmed(pkt->session);

	memset(name, 0, SESSION_NAME_MAX);
	if (text.len) {
		memcpy(name, text.p, text.len);
	} else if (pkt->session_id) {
		decimal(name, pkt->session_id);
	} else if (protocol->weekly_session) {
		uint64_t day = pkt->ts_send_ns / day_ns, sunday = day - (day + 4) % 7;
		int year, week;

		iso_week((int64_t)sunday + 1, &year, &week);
		decimal(name, (uint64_t)year);
		memcpy(name + 4, "-W", 2);
		name[6] = (char)('0' + week / 10);
		name[7] = (char)('0' + week % 10);
		return (sunday + 7) * day_ns;
	}
	return 0;
}

bool wire_session_equal(const char name[SESSION_NAME_MAX], struct str session, uint64_t id)
{
	struct str text = trimmed(session);
	char digits[SESSION_NAME_MAX] = "";

	if (!text.len && id) {
		decimal(digits, id);
		return strncmp(name, digits, SESSION_NAME_MAX) == 0;
	}
	return (text.len == 0 || memcmp(name, text.p, text.len) == 0) && name[text.len] == 0;
}

uint8_t session_name(char name[SESSION_NAME_MAX], const char wire[SESSION_NAME_MAX], uint32_t n)
{
	uint8_t len = (uint8_t)strnlen(wire, SESSION_NAME_MAX - 12);

	memset(name, 0, SESSION_NAME_MAX);
	memcpy(name, wire, len);
	if (n) {
		name[len++] = '.';
		len += decimal(name + len, n);
	}
	return len;
}
