/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a CONNECT request: what is understood must come back from our own encoder. */
#include <string.h>

#include "fuzz.h"
#include "wire/tunnel.h"

static bool decode(const void *data, size_t len, struct tunnel_offer *o)
{
	struct http_message m;
	struct http_parser_state *p = fuzz_http(HTTP_REQUEST, false, data, len, &m);
	bool read = p && !tunnel_decode_offer(&m, o);

	http_free(p);
	return read;
}

static void round_trip(const struct tunnel_offer *o, struct tunnel_offer *back)
{
	struct buf b = BUF_INIT;

	fuzz_check(!tunnel_encode_offer(o, "vpn.test", 443, &b));
	fuzz_check(decode(buf_data(&b), buf_len(&b), back));
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tunnel_offer first, second, third;

	if (!decode(data, len, &first))
		return 0;
	/* The first trip may trim blanks from texts and names an agent; from then on nothing changes. */
	round_trip(&first, &second);
	round_trip(&second, &third);
	fuzz_check(!memcmp(&second, &third, sizeof(second)));
	fuzz_check(first.join == second.join && first.frames == second.frames && first.overlap == second.overlap);
	fuzz_check(first.psk_negotiate == second.psk_negotiate);
	fuzz_check(first.ipv4 == second.ipv4 && first.ipv6 == second.ipv6 && first.mtu == second.mtu);
	return 0;
}
