/* SPDX-License-Identifier: Apache-2.0 */
/* Handshake messages after the handshake. */
#include "wire/post_handshake.h"

#include "wire/tls_record.h"

enum { NEW_SESSION_TICKET = 4, KEY_UPDATE = 24 }; /* RFC 8446 4 */
enum { HEADER_LEN = 4, KEY_UPDATE_LEN = 1, KEY_UPDATE_REQUESTED = 1 };
enum { TICKET_MAX = 4 + 4 + (1 + 255) + (2 + 65535) + (2 + 65534) }; /* 4.6.1, every part at its longest */

/* The header of a message is whole. */
static int begin_message(struct post_handshake *p)
{
	uint32_t len = (uint32_t)p->got[1] << 16 | (uint32_t)p->got[2] << 8 | p->got[3];

	if (p->got[0] == KEY_UPDATE)
		return len == KEY_UPDATE_LEN ? 0 : TLS_ALERT_DECODE_ERROR;
	if (p->got[0] != NEW_SESSION_TICKET || !p->tickets)
		return TLS_ALERT_UNEXPECTED_MESSAGE;
	if (len > TICKET_MAX)
		return TLS_ALERT_DECODE_ERROR;
	p->skip = len;
	p->got_len = 0;
	return 0;
}

/* Nothing may lie behind it in its record, for that would be under the old keys (5.1). */
static int end_key_update(struct post_handshake *p, size_t behind, enum post_handshake_event *event)
{
	uint8_t asked = p->got[HEADER_LEN];

	if (behind)
		return TLS_ALERT_UNEXPECTED_MESSAGE;
	if (asked > KEY_UPDATE_REQUESTED)
		return TLS_ALERT_ILLEGAL_PARAMETER;
	p->got_len = 0;
	*event = asked == KEY_UPDATE_REQUESTED ? POST_HANDSHAKE_KEY_UPDATE_REQUESTED : POST_HANDSHAKE_KEY_UPDATE;
	return 0;
}

static size_t skip_ticket(struct post_handshake *p, size_t len)
{
	size_t n = p->skip < len ? p->skip : len;

	p->skip -= (uint32_t)n;
	return n;
}

int post_handshake_take(struct post_handshake *p, const uint8_t *bytes, size_t len, enum post_handshake_event *event)
{
	size_t at = 0;
	int alert = len ? 0 : TLS_ALERT_UNEXPECTED_MESSAGE; /* 5.1: none may be empty */

	*event = POST_HANDSHAKE_NOTHING;
	while (!alert && at < len) {
		if (p->skip) {
			at += skip_ticket(p, len - at);
			continue;
		}
		p->got[p->got_len++] = bytes[at++];
		if (p->got_len == HEADER_LEN)
			alert = begin_message(p);
		else if (p->got_len == HEADER_LEN + KEY_UPDATE_LEN)
			alert = end_key_update(p, len - at, event);
	}
	return alert;
}
