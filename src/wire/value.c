/* SPDX-License-Identifier: Apache-2.0 */
/* The values of tunnel headers: numbers, names, routes, text for people. */
#include "wire/value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hex.h"

enum {
	MTU_MIN = 68, /* RFC 791 */
	MTU_MAX = 65535,
	HOST_MAX = 255, /* RFC 1035, section 2.3.4 */
};

static int hex_value(char c)
{
	uint8_t byte;
	char pair[2] = { '0', c };

	return hex_decode(pair, sizeof(pair), &byte) == 1 ? byte : -1;
}

int value_number(const char *value, long max, int *out)
{
	char *end;
	long n;

	if (!strcasecmp(value, "none")) {
		*out = 0;
		return 0;
	}
	if (!isdigit((unsigned char)value[0]) && value[0] != '-')
		return ERR_INVALID;
	n = strtol(value, &end, 10);
	if (end == value || *end || n > max)
		return ERR_INVALID;
	*out = n > 0 ? (int)n : 0;
	return 0;
}

int value_mtu(const char *value, int *out)
{
	int n, r;

	if ((r = value_number(value, MTU_MAX, &n)) < 0)
		return r;
	if (n < MTU_MIN)
		return ERR_INVALID;
	*out = n;
	return 0;
}

void value_text(const char *value, char *out, size_t cap)
{
	size_t i;

	for (i = 0; value[i] && i < cap - 1; i++)
		out[i] = iscntrl((unsigned char)value[i]) ? ' ' : value[i];
	out[i] = '\0';
}

int value_name(const char *value, char *out, size_t cap)
{
	if (strlen(value) >= cap)
		return ERR_INVALID;
	value_text(value, out, cap);
	return 0;
}

bool value_is_host(const char *value)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	return value[0] && strlen(value) <= HOST_MAX && !value[strspn(value, alphabet)];
}

bool value_is_true(const char *value)
{
	return value && !strcasecmp(value, "true");
}

bool value_is_one(const char *value)
{
	return value && !strcmp(value, "1");
}

int value_netmask_len(const struct addr *mask)
{
	int len = 0;

	while (len < 32 && mask->bytes[len / 8] & 0x80 >> len % 8)
		len++;
	for (int i = len; i < 32; i++)
		if (mask->bytes[i / 8] & 0x80 >> i % 8)
			return ERR_INVALID;
	return len;
}

int value_route(const char *value, struct prefix *out)
{
	const char *slash = strchr(value, '/');
	char net[ADDR_TEXT_LEN];
	struct addr addr, mask;
	int len;

	if (!slash || addr_parse(slash + 1, &mask) < 0)
		return prefix_parse(value, out);
	if (mask.family != ADDR_V4 || (len = value_netmask_len(&mask)) < 0 || (size_t)(slash - value) >= sizeof(net))
		return ERR_INVALID;
	memcpy(net, value, (size_t)(slash - value));
	net[slash - value] = '\0';
	if (addr_parse(net, &addr) < 0 || addr.family != ADDR_V4)
		return ERR_INVALID;
	*out = (struct prefix){ .addr = addr, .len = (uint8_t)len };
	return 0;
}

void value_banner(const char *value, char *out, size_t cap)
{
	size_t len = 0;

	for (; *value && len < cap - 1; value++) {
		int high = value[0] == '%' ? hex_value(value[1]) : -1;
		int low = high >= 0 ? hex_value(value[2]) : -1;
		char c = (char)(low >= 0 ? high << 4 | low : value[0]);

		if (low >= 0 && (c == '\n' || !iscntrl((unsigned char)c)))
			value += 2;
		else
			c = iscntrl((unsigned char)value[0]) ? ' ' : value[0];
		out[len++] = c;
	}
	out[len] = '\0';
}
