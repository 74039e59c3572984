/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an App-ID stands for: the session, the generation and the key by which a client may open a datagram channel. A
 * gateway draws one for each CONNECT, or for a smooth session's first; the client names it in the ClientHello of its
 * datagrams (docs/protocol.md).
 */
#ifndef SESSION_APP_ID_H
#define SESSION_APP_ID_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/tls.h"

struct app_ids;
struct session;

enum { APP_ID_LEN = 32 };

/** app_ids_new() - An empty table, for all threads; NULL without memory */
struct app_ids *app_ids_new(void);

/**
 * app_ids_add() - Draw an App-ID for a generation of a session
 * @t:          table; takes no reference: app_ids_drop() comes before the session is freed
 * @s:          session
 * @generation: of the connection that @psk was exported from
 * @psk:        copied
 * @packet_max: longest packet that a datagram to this client carries
 * @id:         filled with random bytes
 *
 * Return: 0 or ERR_NOMEM.
 */
int app_ids_add(struct app_ids *t, struct session *s, unsigned generation, const uint8_t psk[TLS_PSK_LEN],
		unsigned packet_max, uint8_t id[APP_ID_LEN]);

/* What an App-ID stands for, beside its session. */
struct app_id_facts {
	unsigned generation, packet_max;
	uint8_t psk[TLS_PSK_LEN]; /* wiped by the holder */
};

/**
 * app_ids_find() - What an App-ID stands for
 * @t:          table
 * @id:         as received
 * @len:        its bytes
 * @facts:      filled when found
 *
 * Return: the session with a reference for the caller, or NULL.
 */
struct session *app_ids_find(struct app_ids *t, const uint8_t *id, size_t len, struct app_id_facts *facts);

/**
 * app_ids_renew() - Let the App-ID that a session has stand for another generation
 * @t, @s, @generation, @psk, @packet_max: as app_ids_add()
 * @id:                                    filled with it
 *
 * openconnect takes the same App-ID in the reply to its CONNECT as word that its datagram channel goes on.
 *
 * Return: 0, or ERR_MISSING when the session has none.
 */
int app_ids_renew(struct app_ids *t, struct session *s, unsigned generation, const uint8_t psk[TLS_PSK_LEN],
		  unsigned packet_max, uint8_t id[APP_ID_LEN]);

/** app_ids_drop() - Forget and wipe those of a session but that of generation @keep; 0: all of them */
void app_ids_drop(struct app_ids *t, struct session *s, unsigned keep);

/** app_ids_free() - The table must be empty; accepts NULL */
void app_ids_free(struct app_ids *t);

#endif
