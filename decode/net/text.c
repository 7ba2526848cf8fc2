/* Hot path: no allocation, lock, system call or log. */
#include "decode/net/text.h"

#include <arpa/inet.h>

void text_u32(struct text *t, uint32_t v)
{
	char digits[10];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		text_char(t, digits[--n]);
}

void text_hex(struct text *t, uint32_t v, unsigned digits)
{
	while (digits < 8 && v >> 4 * digits)
		digits++;
	while (digits)
		text_char(t, "0123456789abcdef"[v >> 4 * --digits & 15]);
}

void text_ip(struct text *t, struct bytes ip)
{
	char shown[INET6_ADDRSTRLEN];

	if (bytes_len(ip) == 4 || bytes_len(ip) == 16)
		text_put(t, inet_ntop(bytes_len(ip) == 4 ? AF_INET : AF_INET6, ip.p, shown,
				    sizeof(shown)));
}

void text_mac(struct text *t, const uint8_t *p)
{
	for (unsigned i = 0; i < 6; i++) {
		if (i)
			text_char(t, ':');
		text_hex(t, p[i], 2);
	}
}
