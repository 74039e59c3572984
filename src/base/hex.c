/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as lower-case hexadecimal text. */
#include "base/hex.h"

#include "base/err.h"

void hex_encode(const uint8_t *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * len] = '\0';
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(const char *text, size_t text_len, uint8_t *out)
{
	size_t i;

	if (text_len % 2)
		return ERR_INVALID;
	for (i = 0; i < text_len; i += 2) {
		int high = digit_value(text[i]);
		int low = digit_value(text[i + 1]);

		if (high < 0 || low < 0)
			return ERR_INVALID;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return (int)(text_len / 2);
}
