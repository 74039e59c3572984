/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The datagram channel of a session: one flow of UDP datagrams under the keys of one generation. Each datagram is one
 * record, each record one packet: a byte of kind (wire/frame.h) and the payload.
 *
 *   GATED    the keys are there, but it is not known that the peer listens: packets go by the stream
 *   UP       packets may be sent here
 *   AWAY     probes are not answered: packets go by the stream; its keys and the probing go on
 *   LEAVING  END was sent, for there is a newer channel: what is still under way is opened
 *   OVER     to be freed by its owner
 *
 *   gate opens (enum datagram_gate)              GATED -> UP
 *   datagram_doubt()                             UP -> GATED
 *   three probes unanswered (session/probe.h)    GATED, UP -> AWAY
 *   a probe is answered                          AWAY -> UP
 *   datagram_leave()                             GATED, UP, AWAY -> LEAVING
 *   END's number of packets is in, or DATAGRAM_LEAVE_MS have passed   LEAVING -> OVER
 *   close_notify or another alert of the peer, a key's limit          any -> OVER
 *
 * Independent of that the peer may ask not to be sent to here (CHANNEL), since it knows that nothing arrives. How long
 * a packet may be is found out while it is UP (session/pmtu.h).
 *
 * Bytes and time come in; bytes and a deadline go out. Everything runs on the channel's home worker, but for sealing
 * packets, which any worker may do under the session's tx_lock.
 */
#ifndef SESSION_DATAGRAM_H
#define SESSION_DATAGRAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/verdict.h"
#include "io/sock.h"
#include "session/pmtu.h"
#include "session/probe.h"
#include "wire/dtls_record.h"

struct datagram;
struct dtls_keys;

enum datagram_state { DATAGRAM_GATED, DATAGRAM_UP, DATAGRAM_AWAY, DATAGRAM_LEAVING, DATAGRAM_OVER };

/* When the peer is taken to listen. */
enum datagram_gate {
	DATAGRAM_GATE_NONE,   /* at once: a gateway that has ended the handshake */
	DATAGRAM_GATE_RECORD, /* another adit: with its first record */
	DATAGRAM_GATE_READY,  /* openconnect, which throws packets away while it measures the path: with DATA,
				 KEEPALIVE or an answer, or DATAGRAM_MEASURED_MS after its last DPD-REQ */
};

enum {
	DATAGRAM_CACHE_LINE = 64,
	DATAGRAM_KIND_LEN = 1,
	DATAGRAM_PAYLOAD_MAX = DTLS_PLAIN_MAX - DATAGRAM_KIND_LEN,
	DATAGRAM_MEASURED_MS = 500,
	DATAGRAM_LEAVE_MS = 500,
	DATAGRAM_ANSWERS_BATCH = 16, /* DPD-REQ answered of those that arrive at once */
	DATAGRAM_MARK_LEN = 4,       /* in front of a long DPD-REQ: its length */
	DATAGRAM_REPORT_LEN = 8,   /* what answers a short DPD-REQ between adits: the longest record since then, u64 */
	DATAGRAM_FORGET_MS = 1000, /* an answer that has not come by then is not expected any more */
};

/*
 * What the owner does and learns; on the home worker, never under tx_lock. None of them frees the channel at once. That
 * it is still AWAY is told after each probe in vain, too: a peer that has heard the probe may take us to listen here.
 */
struct datagram_events {
	void (*send)(struct datagram *d, const uint8_t *record, size_t len); /* one datagram, to d->peer */
	void (*changed)(struct datagram *d, enum datagram_state was);        /* d->state, or what the peer wants */
};

struct datagram {
	unsigned generation;
	uint64_t since_ms;    /* when its keys were made */
	struct endpoint peer; /* other end of the flow */
	const struct datagram_events *events;
	void *owner;
	pthread_mutex_t *tx_lock;  /* of the session */
	enum datagram_state state; /* written under tx_lock by the home worker */
	bool unwanted;             /* likewise: the peer wants packets by the stream */
	const char *why;           /* OVER: for people */

	/* sending: under tx_lock; on lines of its own, for two cores may be at work */
	_Alignas(DATAGRAM_CACHE_LINE) struct dtls_sealer sealer;
	uint64_t tx_packets;         /* DATA sealed: what END tells */
	_Atomic uint64_t tx_data_ms; /* when the last batch of them was; read by the home worker */
	_Atomic unsigned packet_max; /* longest packet; what is longer goes by the stream */
	_Atomic size_t long_sent;    /* record whose length is to be confirmed again: the longest; 0: none */
	atomic_bool refused;         /* the kernel has not sent one for its length */

	/* home worker only */
	_Alignas(DATAGRAM_CACHE_LINE) struct dtls_opener opener;
	enum datagram_gate gate;
	bool overlap;                          /* END is sent and awaited */
	_Atomic uint64_t rx_records, rx_bytes; /* opened, as of the last batch; read by others */
	uint64_t rx_packets;                   /* DATA opened, compared with END's number */
	uint64_t rx_end;                       /* END's number */
	bool rx_ended;                         /* it has arrived */
	bool announce;                         /* a client's first DPD-REQ is due */
	unsigned answered;                     /* DPD-REQ of the present batch */
	uint64_t measured_ms;                  /* GATED: last DPD-REQ, 0: none */
	uint64_t leave_ms;                     /* LEAVING: over at this time */
	uint64_t heard_ms;                     /* last authentic record, or probe for want of one */
	uint64_t sent_ms;                      /* last control packet */
	uint64_t dpd_ms, keepalive_ms;         /* 0: off */
	struct probe probe;
	struct pmtu pmtu;
	unsigned asked;    /* DPD-REQ without payload that are not answered */
	uint64_t asked_ms; /* the last of them */
	uint64_t longest;  /* record received since the last report */
	uint64_t tried;    /* longest record sent before the last try of a length; 0: none */
};

/* What came out of a record. */
struct datagram_packet {
	uint8_t *data;     /* to be delivered */
	size_t len;        /* 0: it was control */
	bool partial;      /* the checksum of layer 4 is left to our kernel */
	size_t record_len; /* bytes the record took; another one may follow in the datagram */
};

struct datagram_settings {
	unsigned generation;
	struct endpoint peer;
	enum datagram_gate gate;
	bool announce;              /* client: DPD-REQ with the first tick, which opens the gateway's gate */
	bool overlap;               /* the peer is an adit: END, partial checksums */
	unsigned dpd_seconds;       /* nothing received for so long: a probe; 0: only while sending */
	unsigned keepalive_seconds; /* nothing sent for so long: KEEPALIVE; 0: none */
	unsigned packet_max;        /* longest packet that is worth a try */
	unsigned packet_known;      /* length that an older channel has found to pass on this way; 0: none */
	const struct datagram_events *events;
	void *owner;
	pthread_mutex_t *tx_lock;
};

/**
 * datagram_new() - A channel over the keys of a finished handshake
 * @settings: copied
 * @keys:     the caller wipes his
 * @now_ms:   time
 *
 * datagram_tick() is due.
 *
 * Return: the channel or NULL without memory.
 */
struct datagram *datagram_new(const struct datagram_settings *settings, const struct dtls_keys *keys, uint64_t now_ms);

/** datagram_usable() - Whether packets may be sent on it now; under tx_lock or on the home worker */
static inline bool datagram_usable(const struct datagram *d)
{
	return d->state == DATAGRAM_UP && !d->unwanted;
}

/** datagram_obstacle() - Why packets may not be sent on it now, for people: static text; NULL: they may. Locked
 * likewise */
const char *datagram_obstacle(const struct datagram *d);

/** datagram_packet_max() - The longest packet that is known to pass; from any worker */
static inline unsigned datagram_packet_max(const struct datagram *d)
{
	return atomic_load_explicit(&d->packet_max, memory_order_relaxed);
}

/**
 * datagram_seal() - Protect one packet
 * @d:      usable channel, its session's tx_lock held; from any worker
 * @pieces: the packet, FRAME_DATA as a byte in front of it; not overlapping @out
 * @count:  of pieces; a single one is not copied
 * @out:    dtls_record_len() bytes are written; see dtls_seal() for batches
 *
 * Return: bytes at @out, or ERR_REFUSED (not usable, or the key is used up: the stream then).
 */
int datagram_seal(struct datagram *d, const struct iovec *pieces, size_t count, uint8_t *out);

/**
 * datagram_sent() - Once a batch of sealed packets, under tx_lock or not; from any worker
 * @d:       channel
 * @longest: bytes of the longest record
 * @now_ms:  time
 *
 * Return: whether the home worker must be told to tick.
 */
bool datagram_sent(struct datagram *d, size_t longest, uint64_t now_ms);

/**
 * datagram_refused() - The kernel would not send records of @record_len bytes for their length: fewer bytes from now on
 *
 * Nothing when packets that long have been given up already. As above.
 */
void datagram_refused(struct datagram *d, size_t record_len);

/** datagram_batch() - A new batch of datagrams begins */
static inline void datagram_batch(struct datagram *d)
{
	d->answered = 0;
}

/**
 * datagram_batch_done() - It ends: what has been opened so far may be read by others
 *
 * A record that was forged counts like one that was opened: so a rekey comes long before the limit of forgeries.
 */
static inline void datagram_batch_done(struct datagram *d)
{
	atomic_store_explicit(&d->rx_records, d->opener.records + d->opener.failed, memory_order_relaxed);
	atomic_store_explicit(&d->rx_bytes, d->opener.bytes, memory_order_relaxed);
}

/**
 * datagram_open() - Take one received record
 * @d:      channel
 * @data:   what is left of a datagram; opened in place
 * @len:    its bytes
 * @now_ms: time
 * @packet: filled when PASS
 *
 * Answers and notes control packets.
 *
 * Return: PASS; the verdicts of dtls_open(); DROP_FRAME_UNKNOWN (an unknown kind, or more DPD-REQ at once than are
 * answered; ignored). The caller goes on behind @packet->record_len bytes while there are any, unless it was dropped by
 * dtls_open().
 */
enum verdict datagram_open(struct datagram *d, uint8_t *data, size_t len, uint64_t now_ms,
			   struct datagram_packet *packet);

/**
 * datagram_is_newer() - Whether a record that came from elsewhere is the peer's, and newer than all that were opened
 * @d:    channel
 * @data: record; left as it is
 * @len:  its bytes
 * @room: DTLS_PLAIN_MAX bytes, overwritten
 */
bool datagram_is_newer(struct datagram *d, const uint8_t *data, size_t len, uint8_t *room);

/** datagram_moved() - The peer is there now; the channel is at nobody's disposal but the caller's */
void datagram_moved(struct datagram *d, const struct endpoint *peer);

/** datagram_is_silent() - Whether the peer does not answer, or has said by the stream that it hears nothing here */
static inline bool datagram_is_silent(const struct datagram *d)
{
	return d->probe.unanswered || d->state == DATAGRAM_AWAY || d->unwanted;
}

/** datagram_doubt() - The peer may not listen: it is asked, and packets wait at the gate until it shows that it does */
void datagram_doubt(struct datagram *d, uint64_t now_ms);

/** datagram_asked() - CHANNEL has come on the stream: whether the peer wants packets here */
void datagram_asked(struct datagram *d, bool here);

/**
 * datagram_leave() - A newer channel carries the packets from now on
 *
 * END is the last thing sent here, if the peer understands it.
 */
void datagram_leave(struct datagram *d, uint64_t now_ms);

/** datagram_raise() - Under tx_lock: raise @records and @bytes to those of its busier direction, where that is more */
void datagram_raise(const struct datagram *d, uint64_t *records, uint64_t *bytes);

/** datagram_tick() - Do what is due. Return: when to call again, CLOCK_NEVER if no time matters */
uint64_t datagram_tick(struct datagram *d, uint64_t now_ms);

/** datagram_free() - Wipe the keys and free; accepts NULL */
void datagram_free(struct datagram *d);

#endif
