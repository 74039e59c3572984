/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream of a session: the records of one generation, what is sealed and waits for the socket, and what has arrived
 * and is not yet a whole frame. It knows no system call: the descriptor is only carried for the rooms that do.
 */
#ifndef SESSION_CHANNEL_H
#define SESSION_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "crypto/tls.h"
#include "io/sock.h"
#include "session/dpd.h"
#include "wire/frame.h"

struct records;
struct session;

enum channel_state {
	CHANNEL_JOINING, /* set up beside the current one, no proof yet */
	CHANNEL_CURRENT, /* sends and receives */
	CHANNEL_LEAVING, /* we send no more on it; it is read to its END */
	CHANNEL_CLOSED,  /* given up: nothing may touch it but its owner's clean-up */
};

struct channel {
	struct session *session; /* NULL until it has joined one */
	struct records *records; /* owned */
	int fd;
	struct endpoint peer; /* outer address of the other end */
	unsigned generation;
	enum frame_format format;
	enum channel_state state; /* written under the session's tx_lock, by the home worker */
	struct tls_facts facts;
	uint8_t psk[TLS_PSK_LEN]; /* client: for its generation's datagrams */

	/* sending: under the session's tx_lock */
	struct buf out;              /* sealed, not yet taken by the socket */
	bool tx_ended;               /* END or close_notify is sealed: nothing may follow */
	uint64_t tx_packets;         /* DATA frames sealed: what END tells */
	_Atomic uint64_t tx_data_ms; /* when the last of them was; read by the home worker's DPD */

	/* receiving: home worker only */
	struct buf plain;    /* opened, not yet a whole frame or not yet allowed to be delivered */
	bool rx_ended;       /* END or the end of the stream has arrived */
	bool rx_overdue;     /* END has not come in time: the newer stream's data no longer waits */
	bool rx_held;        /* its DATA waits for the older stream's END */
	bool rx_more;        /* has had its turn; what is in plain comes with the next */
	uint64_t rx_packets; /* DATA frames received, compared with END's number */
	struct dpd dpd;
	unsigned answered;   /* DPD-REQ of the present batch */
	uint64_t left_ms;    /* LEAVING: since when */
	size_t left_waiting; /* LEAVING: bytes in out at the last look */
	uint64_t close_ms;   /* LEAVING: closed at this time whatever the peer does */

	void *port; /* the loop's binding, path/link.c */
};

/**
 * channel_new() - A channel over finished records
 * @records: owned by the channel from now on
 * @fd:      its socket; closed by the owner, not by channel_free()
 * @peer:    its other end; copied
 * @facts:   what the handshake negotiated; copied
 * @format:  frame format agreed on
 *
 * Return: the channel or NULL without memory (then @records stays the caller's).
 */
struct channel *channel_new(struct records *records, int fd, const struct endpoint *peer, const struct tls_facts *facts,
			    enum frame_format format);

/**
 * channel_seal() - Seal one frame behind what waits already
 * @c:       channel, its session's tx_lock held
 * @kind:    enum frame_kind
 * @payload: borrowed
 * @len:     within the format's limit
 *
 * Return: 0, ERR_REFUSED after the end of sending, ERR_NOMEM or ERR_CRYPTO.
 */
int channel_seal(struct channel *c, uint8_t kind, const void *payload, size_t len);

/**
 * channel_seal_frames() - Seal bytes that are whole frames already
 * @c:      channel, its session's tx_lock held
 * @frames: frames in the channel's format, one after the other; in CSTP format exactly one
 * @len:    bytes at @frames
 * @out:    records are appended here instead of to the channel
 *
 * In adit format the bytes are cut into records of RECORDS_PLAIN_MAX.
 *
 * Return: 0, ERR_TOO_BIG (a CSTP frame over one record), ERR_REFUSED, ERR_NOMEM or ERR_CRYPTO.
 */
int channel_seal_frames(struct channel *c, const uint8_t *frames, size_t len, struct buf *out);

/** channel_free() - Wipe and free; accepts NULL */
void channel_free(struct channel *c);

#endif
