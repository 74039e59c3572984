/* SPDX-License-Identifier: Apache-2.0 */
/* The traffic secrets of a handshake. libssl tells them nowhere but in the lines of a key log. */
#ifndef CRYPTO_SECRETS_INT_H
#define CRYPTO_SECRETS_INT_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/schedule.h"

struct secret {
	uint8_t bytes[SCHEDULE_SECRET_MAX];
	size_t len; /* 0: not told yet */
};

struct secrets {
	struct secret client, server; /* of whom it protects the records */
};

/**
 * secrets_note() - Take what a line tells
 * @s:    filled
 * @line: "LABEL CLIENT_RANDOM SECRET", the last two in hexadecimal; other labels than the two of application traffic
 * are passed over
 */
void secrets_note(struct secrets *s, const char *line);

/** secrets_fini() - Wipe them */
void secrets_fini(struct secrets *s);

#endif
