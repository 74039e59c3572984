/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts are device names, host names and the like. */
#include "conf/form.h"

#include <string.h>

#include "base/addr.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

enum { NAME_MAX_LEN = 64, DOMAIN_MAX_LEN = 253, LABEL_MAX_LEN = 63, DEVICE_MAX_LEN = 15, ACCOUNT_MAX_LEN = 32 };

static bool made_of(const char *text, const char *letters, size_t max)
{
	size_t len = strspn(text, letters);

	return len && len <= max && !text[len];
}

bool form_listen(const char *text)
{
	struct addr a;

	return !strcmp(text, "*") || !addr_parse(text, &a);
}

bool form_domain(const char *text)
{
	size_t len;

	if (!made_of(text, LETTERS DIGITS "-_.", DOMAIN_MAX_LEN))
		return false;
	for (;; text += len + 1) {
		len = strcspn(text, ".");
		if (!len || len > LABEL_MAX_LEN)
			return false;
		if (!text[len])
			return true;
	}
}

/* What is all digits and dots but no address would be read as one by some resolvers: not a name. */
bool form_host(const char *text)
{
	struct addr a;

	return !addr_parse(text, &a) || (form_domain(text) && strspn(text, DIGITS ".") < strlen(text));
}

bool form_device(const char *text)
{
	const char *percent = strchr(text, '%');

	if (!made_of(text, LETTERS DIGITS "-_.%", DEVICE_MAX_LEN) || !strcmp(text, ".") || !strcmp(text, ".."))
		return false;
	return !percent || (percent[1] == 'd' && !strchr(percent + 1, '%'));
}

bool form_name(const char *text)
{
	return made_of(text, LETTERS DIGITS "._@-", NAME_MAX_LEN);
}

bool form_account(const char *text)
{
	return made_of(text, LETTERS DIGITS "._-", ACCOUNT_MAX_LEN) && *text != '-';
}
