/* SPDX-License-Identifier: Apache-2.0 */
/* How a finished handshake becomes records. */
#ifndef CRYPTO_RECORDS_INT_H
#define CRYPTO_RECORDS_INT_H

#include <openssl/ssl.h>

#include "crypto/feed_int.h"
#include "crypto/records.h"

/**
 * records_new_take() - Records of a finished handshake
 * @ssl:  owned from now on; untouched on failure
 * @feed: belongs to @ssl; what it kept is opened first
 *
 * Return: the records, NULL without memory.
 */
struct records *records_new_take(SSL *ssl, struct feed *feed);

#endif
