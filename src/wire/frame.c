/* SPDX-License-Identifier: Apache-2.0 */
/* Frames on the stream, in both formats. */
#include "wire/frame.h"

#include <string.h>

#include "base/err.h"

static const uint8_t cstp_magic[4] = { 'S', 'T', 'F', 1 };

static int decode_cstp(const uint8_t *h, struct frame *out)
{
	if (memcmp(h, cstp_magic, sizeof(cstp_magic)) || h[7])
		return ERR_PROTO;
	*out = (struct frame){ .kind = h[6], .len = (size_t)h[4] << 8 | h[5] };
	return out->len > FRAME_CSTP_PAYLOAD_MAX ? ERR_PROTO : 0;
}

static int decode_adit(const uint8_t *h, struct frame *out)
{
	*out = (struct frame){ .kind = h[0], .flags = h[1], .gso_size = (uint16_t)(h[2] << 8 | h[3]) };
	if (out->flags & ~FRAME_PARTIAL || (out->kind != FRAME_DATA && (out->flags || out->gso_size)))
		return ERR_PROTO;
	out->len = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
	return out->len > FRAME_ADIT_PAYLOAD_MAX ? ERR_PROTO : 0;
}

int frame_decode(enum frame_format format, const uint8_t *data, size_t len, struct frame *out)
{
	struct frame f;
	int r;

	if (len < FRAME_HEADER_LEN)
		return ERR_SHORT;
	r = format == FRAME_FORMAT_CSTP ? decode_cstp(data, &f) : decode_adit(data, &f);
	if (r < 0)
		return r;
	if (f.len > len - FRAME_HEADER_LEN)
		return ERR_SHORT;
	f.payload = data + FRAME_HEADER_LEN;
	*out = f;
	return FRAME_HEADER_LEN + (int)f.len;
}

void frame_encode_header(enum frame_format format, uint8_t kind, size_t len, uint8_t out[FRAME_HEADER_LEN])
{
	memset(out, 0, FRAME_HEADER_LEN);
	if (format == FRAME_FORMAT_CSTP) {
		memcpy(out, cstp_magic, sizeof(cstp_magic));
		out[4] = (uint8_t)(len >> 8);
		out[5] = (uint8_t)len;
		out[6] = kind;
		return;
	}
	out[0] = kind;
	out[4] = (uint8_t)(len >> 24);
	out[5] = (uint8_t)(len >> 16);
	out[6] = (uint8_t)(len >> 8);
	out[7] = (uint8_t)len;
}

void frame_encode_data(uint8_t flags, uint16_t gso_size, size_t len, uint8_t out[FRAME_HEADER_LEN])
{
	frame_encode_header(FRAME_FORMAT_ADIT, FRAME_DATA, len, out);
	out[1] = flags;
	out[2] = (uint8_t)(gso_size >> 8);
	out[3] = (uint8_t)gso_size;
}
