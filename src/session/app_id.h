/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an App-ID stands for: the session, the generation and the key by which a client may open a datagram channel. A
 * gateway draws one for each CONNECT; the client names it in the ClientHello of its datagrams (docs/protocol.md).
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
 * @id:         filled with random bytes
 *
 * Return: 0 or ERR_NOMEM.
 */
int app_ids_add(struct app_ids *t, struct session *s, unsigned generation, const uint8_t psk[TLS_PSK_LEN],
		uint8_t id[APP_ID_LEN]);

/**
 * app_ids_find() - What an App-ID stands for
 * @t:          table
 * @id:         as received
 * @len:        its bytes
 * @generation: filled when found
 * @psk:        filled when found; wiped by the caller
 *
 * Return: the session with a reference for the caller, or NULL.
 */
struct session *app_ids_find(struct app_ids *t, const uint8_t *id, size_t len, unsigned *generation,
			     uint8_t psk[TLS_PSK_LEN]);

/** app_ids_drop() - Forget and wipe those of a session's generations under @below; UINT_MAX: all */
void app_ids_drop(struct app_ids *t, struct session *s, unsigned below);

/** app_ids_free() - The table must be empty; accepts NULL */
void app_ids_free(struct app_ids *t);

#endif
