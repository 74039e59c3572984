/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer sends after the handshake. The first byte says whether the peer is a server. Then pieces follow: a byte,
 * a length of two, and so many bytes, which go onto the wire as they are when the byte is even, and else sealed under
 * the peer's keys as a record of the type that half of the byte is. So what lies behind the tag is reached, too.
 */
#include <string.h>

#include "base/err.h"
#include "crypto/tls.h"
#include "fuzz.h"
#include "wire/records.h"
#include "wire/tls_record.h"

enum { PIECE_HEADER = 3, CLIENTS_SECRET = 1, SERVERS_SECRET = 2 };

struct world {
	struct records *r;
	struct tls_direction peer;
	struct buf wire, plain;
	size_t sealed; /* bytes of content, whatever it is: with type 0 its end may be the type */
	int lost;
};

static void begin(struct world *w, bool peer_is_server)
{
	struct tls_traffic traffic = { .cipher = AEAD_AES_128_GCM, .peer_is_server = peer_is_server };

	traffic.tx_secret[0] = CLIENTS_SECRET;
	traffic.rx_secret[0] = SERVERS_SECRET;
	fuzz_check(tls_direction_init(&w->peer, traffic.cipher, traffic.rx_secret, 0) == 0);
	fuzz_check((w->r = records_new_take(&traffic)));
}

/* The peer goes on with the keys that it announces. Announced in pieces, they are not followed: its tags are wrong
 * then. */
static void seal(struct world *w, uint8_t type, const uint8_t *content, size_t len)
{
	static const uint8_t key_update[] = { 24, 0, 0, 1 };
	uint8_t *room;

	fuzz_check(buf_reserve(&w->wire, len + RECORDS_OVERHEAD, &room) == 0);
	tls_record_seal(&w->peer, (enum tls_content)type, content, len, room);
	buf_grow(&w->wire, len + RECORDS_OVERHEAD);
	w->sealed += len;
	if (type == TLS_HANDSHAKE && len == 5 && !memcmp(content, key_update, sizeof(key_update)))
		fuzz_check(tls_direction_next(&w->peer) == 0);
}

static void deliver(struct world *w)
{
	int r = records_open(w->r, buf_data(&w->wire), buf_len(&w->wire), &w->plain);

	fuzz_check(r == 0 || r == ERR_EOF || r == ERR_PROTO || r == ERR_CRYPTO);
	fuzz_check(!w->lost || r == w->lost);
	fuzz_check(buf_len(&w->plain) <= w->sealed);
	fuzz_check((r == ERR_PROTO || r == ERR_CRYPTO) == (records_alert(w->r) >= 0 || records_refusal(w->r) >= 0));
	w->lost = r;
	buf_clear(&w->wire);
}

static void check_answers(struct world *w)
{
	int r = records_seal(w->r, (const uint8_t *)"x", 1, &w->wire);

	fuzz_check(r == (w->lost == 0 || w->lost == ERR_EOF ? 0 : ERR_CRYPTO));
	records_close(w->r, &w->wire);
	fuzz_check(records_seal(w->r, (const uint8_t *)"x", 1, &w->wire) == ERR_CRYPTO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world w = { 0 };

	if (!len)
		return 0;
	begin(&w, data[0] & 1);
	data++;
	len--;
	while (len >= PIECE_HEADER) {
		uint8_t how = data[0];
		size_t n = (size_t)(data[1] << 8 | data[2]) % (RECORDS_PLAIN_MAX + 1);

		data += PIECE_HEADER;
		len -= PIECE_HEADER;
		n = n < len ? n : len;
		if (how & 1)
			seal(&w, how >> 1, data, n);
		else
			fuzz_check(buf_append(&w.wire, data, n) == 0);
		if (!(how & 0x80))
			deliver(&w);
		data += n;
		len -= n;
	}
	deliver(&w);
	check_answers(&w);
	records_free(w.r);
	tls_direction_fini(&w.peer);
	buf_fini(&w.wire);
	buf_fini(&w.plain);
	return 0;
}
