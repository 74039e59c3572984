/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on the stream. Both formats have an 8-byte header and the same kinds:
 *
 *   CSTP   'S' 'T' 'F' 0x01  length u16  kind u8  0x00        one frame is exactly one record
 *   adit   kind u8  flags u8  gso_size u16  length u32        records are only the envelope
 *
 * Big-endian; length counts the payload. Kinds from 0x40 are adit's, sent only to a peer that negotiated them.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum frame_format { FRAME_FORMAT_CSTP, FRAME_FORMAT_ADIT };

enum frame_kind {
	FRAME_DATA = 0,    /* one raw IP packet */
	FRAME_DPD_REQ = 3, /* payload is echoed */
	FRAME_DPD_RESP = 4,
	FRAME_DISCONNECT = 5, /* 0xb0, then text */
	FRAME_KEEPALIVE = 7,
	FRAME_COMPRESSED = 8,
	FRAME_TERMINATE = 9,
	FRAME_REKEY = 0x40,        /* gateway asks for the next generation; empty */
	FRAME_CHANNEL = 0x41,      /* send on this channel: u8, 0 stream, 1 datagrams */
	FRAME_PARTIAL_DATA = 0x43, /* on datagrams: DATA whose checksum of layer 4 is left to the receiver's kernel */
	FRAME_END = 0x42,          /* last frame in this direction: packets sent on it, u64 */
};

enum {
	FRAME_HEADER_LEN = 8,
	FRAME_CSTP_PAYLOAD_MAX = 16384 - 8, /* one record */
	FRAME_ADIT_PAYLOAD_MAX = 65535,
	FRAME_END_LEN = 8,
	FRAME_CHANNEL_LEN = 1,
	FRAME_BY_STREAM = 0,
	FRAME_BY_DATAGRAM = 1,
	FRAME_BYE_LOGOUT = 0xb0, /* first byte of DISCONNECT: for good */
};

enum frame_flag {
	FRAME_PARTIAL = 1, /* DATA: the checksum of layer 4 is left to the receiver's kernel */
};

struct frame {
	uint8_t kind;
	uint8_t flags;          /* enum frame_flag; CSTP: 0 */
	uint16_t gso_size;      /* DATA: payload of each packet but the last in this super-packet; 0: one packet */
	const uint8_t *payload; /* borrowed */
	size_t len;
};

/**
 * frame_decode() - Read the frame at the start of a stream
 * @format: negotiated
 * @data:   plaintext
 * @len:    bytes at @data
 * @out:    filled on success, borrows @data
 *
 * Return: bytes the frame takes (header included), ERR_SHORT (more needed), ERR_PROTO (magic, reserved byte, length
 * over the limit, an unknown flag, flags or gso_size of anything but DATA); @out is untouched unless a frame was read.
 * Whether gso_size fits the packet is for offload_check() to say.
 */
int frame_decode(enum frame_format format, const uint8_t *data, size_t len, struct frame *out);

/**
 * frame_encode_header() - Write the header in front of a payload
 * @format: negotiated
 * @kind:   enum frame_kind
 * @len:    payload bytes, within the format's limit
 * @out:    FRAME_HEADER_LEN bytes
 */
void frame_encode_header(enum frame_format format, uint8_t kind, size_t len, uint8_t out[FRAME_HEADER_LEN]);

/** frame_encode_data() - The same in adit format for DATA with @flags (enum frame_flag) and @gso_size */
void frame_encode_data(uint8_t flags, uint16_t gso_size, size_t len, uint8_t out[FRAME_HEADER_LEN]);

#endif
