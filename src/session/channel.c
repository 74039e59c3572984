/* SPDX-License-Identifier: Apache-2.0 */
/* One stream of a session. */
#include "session/channel.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "wire/records.h"

struct channel *channel_new(struct records *records, int fd, const struct endpoint *peer, const struct tls_facts *facts,
			    enum frame_format format)
{
	struct channel *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->records = records;
	c->fd = fd;
	c->peer = *peer;
	c->facts = *facts;
	c->format = format;
	return c;
}

int channel_seal_frames(struct channel *c, const uint8_t *frames, size_t len, struct buf *out)
{
	if (c->tx_ended)
		return ERR_REFUSED;
	if (c->format == FRAME_FORMAT_CSTP && len > RECORDS_PLAIN_MAX)
		return ERR_TOO_BIG; /* one packet is exactly one record, docs/protocol.md */
	return records_seal_all(c->records, frames, len, out);
}

int channel_seal(struct channel *c, uint8_t kind, const void *payload, size_t len)
{
	uint8_t frame[FRAME_HEADER_LEN + FRAME_CSTP_PAYLOAD_MAX];

	if (len > FRAME_CSTP_PAYLOAD_MAX)
		return ERR_TOO_BIG;
	frame_encode_header(c->format, kind, len, frame);
	if (len)
		memcpy(frame + FRAME_HEADER_LEN, payload, len);
	return channel_seal_frames(c, frame, FRAME_HEADER_LEN + len, &c->out);
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	records_free(c->records);
	explicit_bzero(c->psk, sizeof(c->psk));
	buf_fini(&c->out);
	buf_fini(&c->plain);
	free(c);
}
