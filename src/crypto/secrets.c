/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic secrets out of the lines of a key log. */
#include "crypto/secrets_int.h"

#include <string.h>

#include "base/hex.h"

static void read_secret(const char *line, const char *label, struct secret *out)
{
	const char *hex = strrchr(line, ' ');
	int len;

	if (!hex || strncmp(line, label, strlen(label)) || strlen(hex + 1) > 2 * SCHEDULE_SECRET_MAX)
		return;
	len = hex_decode(hex + 1, strlen(hex + 1), out->bytes);
	out->len = len < 0 ? 0 : (size_t)len;
}

void secrets_note(struct secrets *s, const char *line)
{
	read_secret(line, "CLIENT_TRAFFIC_SECRET_0 ", &s->client);
	read_secret(line, "SERVER_TRAFFIC_SECRET_0 ", &s->server);
}

void secrets_fini(struct secrets *s)
{
	explicit_bzero(&s->client, sizeof(s->client));
	explicit_bzero(&s->server, sizeof(s->server));
}
