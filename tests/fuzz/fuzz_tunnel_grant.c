/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the reply to CONNECT: what is understood must come back from our own encoder. */
#include <string.h>

#include "base/log.h"
#include "fuzz.h"
#include "wire/tunnel.h"

static const struct tunnel_offer offer = {
	.user_agent = "adit",
	.ipv4 = true,
	.ipv6 = true,
	.full_ipv6 = true,
	.psk_negotiate = true,
	.frames = true,
	.overlap = true,
};

static bool decode(const void *data, size_t len, struct tunnel_grant *g)
{
	struct http_message m;
	struct http_parser_state *p = fuzz_http(HTTP_REPLY, true, data, len, &m);
	bool read = p && !tunnel_decode_grant(&m, g);

	if (p && !read)
		tunnel_grant_fini(g);
	http_free(p);
	return read;
}

static void check_grant(const struct tunnel_grant *g)
{
	fuzz_check(g->status != 200 || (g->mtu > 0 && (g->ipv4.family || g->ipv6.addr.family)));
	fuzz_check(g->includes_len <= TUNNEL_LIST_MAX && g->dns_len <= TUNNEL_DNS_MAX);
	fuzz_check(g->app_id_len <= TUNNEL_APP_ID_MAX && g->dtls_port >= 0 && g->dtls_port <= UINT16_MAX);
	fuzz_check(!g->app_id_len == !g->dtls_port);
}

/* Encode and read again. Our spelling may be longer than theirs, so a large grant need not fit a second time. */
static bool round_trip(const struct tunnel_grant *g, struct tunnel_grant *back, struct buf *text)
{
	fuzz_check(!tunnel_encode_grant(g, &offer, text));
	return decode(buf_data(text), buf_len(text), back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf texts[3] = { BUF_INIT, BUF_INIT, BUF_INIT };
	struct tunnel_grant first = { 0 }, second = { 0 }, third = { 0 };

	log_init(LOG_LEVEL_ERR, "fuzz");
	if (!decode(data, len, &first))
		return 0;
	check_grant(&first);
	/* The first trip may trim blanks and drop routes that nobody can use; from then on nothing changes. */
	if (round_trip(&first, &second, &texts[0]) && round_trip(&second, &third, &texts[1])) {
		fuzz_check(!tunnel_encode_grant(&third, &offer, &texts[2]));
		fuzz_check(buf_len(&texts[1]) == buf_len(&texts[2]));
		fuzz_check(!memcmp(buf_data(&texts[1]), buf_data(&texts[2]), buf_len(&texts[1])));
	} else {
		fuzz_check(buf_len(&texts[0]) > HTTP_HEAD_MAX || first.status != 200);
	}
	for (int i = 0; i < 3; i++)
		buf_fini(&texts[i]);
	tunnel_grant_fini(&first);
	tunnel_grant_fini(&second);
	tunnel_grant_fini(&third);
	return 0;
}
